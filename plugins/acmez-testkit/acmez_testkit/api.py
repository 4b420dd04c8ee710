"""The API: which request is what, who may ask, and what every answer carries (RFC 8555 §6, §7.1)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from acmez_testkit.accounts import Accounts
from acmez_testkit.authorizations import Authorizations
from acmez_testkit.background import Background
from acmez_testkit.certificates import Certificates
from acmez_testkit.faults import Answer, Delay, Drop, EditHeaders, Faults, LoseAnswer, Problem, Truncate
from acmez_testkit.finalizing import Finalizing
from acmez_testkit.issuing import Issuer
from acmez_testkit.orders import Orders
from acmez_testkit.registry import Registry
from acmez_testkit.signed import Signed, authenticate
from acmez_testkit.validation import Validator
from acmez_testkit.wire import Refusal, Request, Response

_log = logging.getLogger(__name__)

_RESOURCES = {
    "new-nonce": "newNonce",
    "new-account": "newAccount",
    "new-order": "newOrder",
    "new-authz": "newAuthz",
    "revoke-cert": "revokeCert",
    "key-change": "keyChange",
    "renewal-info": "renewalInfo",
}
_PUBLIC = {"directory": ("GET",), "new-nonce": ("GET", "HEAD"), "renewal-info": ("GET",)}
_SIGNERS = {"new-account": ("jwk",), "revoke": ("kid", "jwk")}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came in, and the status it was answered with (0: it was not handled at all)."""

    method: str
    path: str
    kind: str
    status: int


@dataclass(frozen=True, slots=True)
class _Route:
    """What a path stands for: `path` without what follows it, and that as `argument`."""

    kind: str
    path: str
    argument: str = ""


class Api:
    """Answers requests; calling it is the handler of the HTTPS server."""

    def __init__(
        self, registry: Registry, validator: Validator, issuer: Issuer, background: Background, faults: Faults
    ) -> None:
        self._registry = registry
        self._background = background
        self._faults = faults
        self._accounts = Accounts(registry)
        self._authorizations = Authorizations(registry, validator, background)
        self._orders = Orders(registry, self._authorizations, self._accounts.check_terms)
        self._finalizing = Finalizing(registry, self._orders, issuer, background)
        self.certificates = Certificates(registry)
        self.seen: list[Seen] = []
        self.internal_errors: list[Exception] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response | None:
        """Answer one request, with the faults that are meant for it."""
        route = _route(request.path)
        actions = self._faults.take(route.kind)
        if isinstance(delay := actions.get("before"), Delay):
            self._background.pause(delay.seconds)
        response = self._answer(request, route, actions.get("instead"))
        if response is not None and isinstance(edit := actions.get("edit"), EditHeaders):
            edit.edit(response)
        status = 0 if response is None else response.status
        with self._lock:
            self.seen.append(Seen(request.method, request.path, route.kind, status))
        match actions.get("deliver"):
            case LoseAnswer():
                return None
            case Truncate(n) if response is not None:
                response.cut = n
        return response

    def _answer(self, request: Request, route: _Route, instead: object) -> Response | None:
        match instead:
            case Drop():
                return None
            case Answer():
                return instead.response()
            case Problem():
                return self._furnish(request, route, instead.response())
        return self._furnish(request, route, self._handle(request, route))

    def _handle(self, request: Request, route: _Route) -> Response:
        try:
            return self._dispatch(request, route)
        except Refusal as refusal:
            return refusal.response()
        except Exception as error:  # noqa: BLE001 - a bug of this server is told to the client and the test
            _log.exception("%s %s failed", request.method, request.path)
            self.internal_errors.append(error)
            return Refusal("serverInternal", f"{type(error).__name__}: see the log", 500).response()

    def _furnish(self, request: Request, route: _Route, response: Response) -> Response:
        """Add what every answer has: a fresh nonce, the way back to the directory, no caching."""
        if request.method == "POST" or route.kind == "new-nonce":
            response.headers.append(("Replay-Nonce", self._registry.nonces.new()))
        if route.kind != "directory":
            response.headers.append(("Link", f'<{self._registry.url("/directory")}>;rel="index"'))
        response.headers.append(("Cache-Control", "no-store"))
        return response

    def _dispatch(self, request: Request, route: _Route) -> Response:
        if request.refusal is not None:
            raise request.refusal
        if route.kind == "unknown":
            raise Refusal("malformed", f"nothing at {request.path!r}", 404)
        methods = _PUBLIC.get(route.kind, ("POST",))
        if request.method not in methods:
            allow = [("Allow", ", ".join(methods))]
            raise Refusal("malformed", f"{request.method} is not allowed here", 405, headers=allow)
        if not request.headers.get("user-agent"):
            raise Refusal("malformed", "User-Agent is missing (RFC 8555 §6.1)")
        match route.kind:
            case "directory":
                return self._directory()
            case "new-nonce":
                return Response(200 if request.method == "HEAD" else 204)
            case "renewal-info":
                return self.certificates.renewal_info(route.argument)
        signed = authenticate(self._registry, request, accepts=_SIGNERS.get(route.kind, ("kid",)))
        return self._signed(signed, route)

    def _signed(self, signed: Signed, route: _Route) -> Response:
        url, argument = self._registry.url(route.path), route.argument
        handlers: dict[str, Callable[[], Response]] = {
            "new-account": lambda: self._accounts.new(signed),
            "account": lambda: self._accounts.one(signed, url),
            "orders": lambda: self._accounts.orders(signed, url, _number(argument)),
            "key-change": lambda: self._accounts.change_key(signed),
            "new-order": lambda: self._orders.new(signed),
            "order": lambda: self._orders.one(signed, url),
            "finalize": lambda: self._finalizing.finalize(signed, url),
            "new-authz": lambda: self._authorizations.new(signed),
            "authz": lambda: self._authorizations.one(signed, url),
            "challenge": lambda: self._authorizations.challenge(signed, url),
            "certificate": lambda: self.certificates.one(signed, url, _number(argument)),
            "revoke": lambda: self.certificates.revoke(signed),
        }
        return handlers[route.kind]()

    def _directory(self) -> Response:
        """Return the directory (RFC 8555 §7.1.1), with an unknown member as Boulder has one."""
        behaviour = self._registry.behaviour
        offered = {"new-authz": behaviour.new_authz, "renewal-info": behaviour.renewal_info}
        directory: dict[str, object] = {
            name: self._registry.url(f"/{path}") for path, name in _RESOURCES.items() if offered.get(path, True)
        }
        meta: dict[str, object] = {
            "website": "https://acmez-testkit.invalid/not-a-ca",
            "caaIdentities": ["acmez-testkit.invalid"],
            "externalAccountRequired": bool(behaviour.external_accounts),
            "acmez-testkit": "an embedded server for tests - NOT A CA, its certificates are worthless",
        }
        if self._registry.terms is not None:
            meta["termsOfService"] = self._registry.terms
        if behaviour.profiles:
            meta["profiles"] = dict(behaviour.profiles)
        unknown = {"k7Zr0Tn9aYQ": "https://acmez-testkit.invalid/clients-ignore-unknown-members"}
        return Response.of_json(directory | {"meta": meta} | unknown)


def _route(path: str) -> _Route:
    path, _, query = path.partition("?")
    match path.split("/")[1:]:
        case ["directory" | "new-nonce" | "new-account" | "new-order" | "new-authz" | "key-change" as kind]:
            return _Route(kind, path)
        case ["revoke-cert"]:
            return _Route("revoke", path)
        case ["account" | "order" | "authz" | "challenge" | "certificate" as kind, _]:
            return _Route(kind, path)
        case ["account", account, "orders"]:
            return _Route("orders", f"/account/{account}", dict(parse_qsl(query)).get("cursor", ""))
        case ["order", order, "finalize"]:
            return _Route("finalize", f"/order/{order}")
        case ["certificate", certificate, chain]:
            return _Route("certificate", f"/certificate/{certificate}", chain)
        case ["renewal-info", identifier]:
            return _Route("renewal-info", "/renewal-info", identifier)
    return _Route("unknown", path)


def _number(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refusal("malformed", f"{text!r} is not a number", 404)
    return int(text)
