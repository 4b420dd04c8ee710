"""Every error has its page, every page its error, and the messages on the pages are those of the code."""

from __future__ import annotations

import errno
import json
import os
import pkgutil
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

import acmez
from acmez import explanations
from acmez.acme import (
    Account,
    AcmeError,
    CancelScope,
    Client,
    ConnectError,
    Directory,
    ErrorType,
    LostAnswer,
    Meta,
    Polling,
    Response,
    SigningKey,
)
from acmez.acme.jws import PrivateKey
from acmez.acme.polling import poll
from acmez.acme.problem import EXCEPTIONS, problem_error
from acmez.acme.rollover import after_key_change
from acmez.acme.scope import doing
from acmez.config import load_config
from acmez.csr import identifiers
from acmez.engine import Engine
from acmez.errors import ChallengesFailed, FailedIdentifier
from acmez.hookspecs import hookimpl
from acmez.journal import Journal
from acmez.keys import FileKey, generate, key_of
from acmez.kinds import SOLVER
from acmez.known_plugins import KNOWN_PLUGINS
from acmez.listening import listen
from acmez.plugins import PluginManager
from tests.docs import static

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "acmez" / "explanations"
PARTS = ["When it happens", "What acmez has done", "What to do"]
CA = "https://acme.example/"
#: Bases that nothing raises: there is no message to show.
WITHOUT_MESSAGE = {"AcmeError", "AcmezError"}


def import_everything() -> None:
    for name in ["acmez", *(name.replace("-", "_") for name in KNOWN_PLUGINS.values())]:
        package = import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)


def public_errors(base: type[AcmeError] = AcmeError) -> set[type[AcmeError]]:
    """Return the error classes of the core and of the plugins beside it, but not of the command line."""
    ours = {"acmez", *(name.replace("-", "_") for name in KNOWN_PLUGINS.values())}
    found = {base}
    for kind in base.__subclasses__():
        found |= public_errors(kind)
    return {
        kind
        for kind in found
        if kind.__module__.partition(".")[0] in ours
        and not kind.__module__.startswith("acmez.cli")
        and not kind.__name__.startswith("_")
    }


def test_every_error_has_a_page_and_every_page_an_error():
    import_everything()
    errors = [kind.__name__ for kind in public_errors()]
    assert sorted(errors) == explanations.names()
    assert len(errors) == len(set(errors))


@pytest.mark.parametrize("name", explanations.names())
def test_a_page_says_what_it_means_when_it_happens_what_was_done_and_what_to_do(name: str):
    text = explanations.text(name)
    assert text.startswith(f"# {name}\n\n")
    assert re.findall(r"^##+ (.*)$", text, re.MULTILINE) == PARTS
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE))
    assert text.count("```text\n") == (0 if name in WITHOUT_MESSAGE else 1)
    assert len(explanations.summary(name)) < 140


def test_errors_that_a_page_names_have_a_page():
    everywhere = {word for page in PAGES.glob("*.md") for word in re.findall(r"`(\w+)`", page.read_text())}
    named = {word for word in everywhere if isinstance(getattr(acmez.acme, word, None), type) or word.endswith("Error")}
    errors = {word for word in named if word.endswith("Error") or issubclass(getattr(acmez.acme, word), AcmeError)}
    assert errors - {"OSError", "ValueError", "ModuleNotFoundError", "CancelScope"} <= set(explanations.names())


def test_every_type_of_problem_is_explained():
    told = re.findall(r"^\| `(\w+)` \|.*?(?:see `(\w+)`)? \|$", explanations.text("ProblemError"), re.MULTILINE)
    assert [kind for kind, _ in told] == sorted((kind.rpartition(":")[2] for kind in ErrorType), key=str.lower)
    own = {kind.rpartition(":")[2]: error.__name__ for kind, error in EXCEPTIONS.items()}
    assert {kind: page for kind, page in told if page} == own


def refused(path: str, status: int, code: str, detail: str) -> None:
    body = json.dumps({"type": f"urn:ietf:params:acme:error:{code}", "detail": detail}).encode()
    raise problem_error(Response("POST", f"{CA}acme/{path}", status, {}, body, datetime.now(UTC)))


def cancelled() -> None:
    scope = CancelScope()
    scope.cancel()
    scope.check()


def waits_too_long() -> None:
    with doing(lambda: f"{CA}acme/order/1: waiting for www.example.com: wait by dns-01 with 'dns-exec'"):
        CancelScope(0).check()


def malformed() -> None:
    Directory.from_response(Response("GET", f"{CA}directory", 200, {}, b"{}", datetime.now(UTC)))


def lost(_: SigningKey) -> Account:
    raise LostAnswer("the server closed the connection", method="POST", url=f"{CA}acme/new-order")


def undecided_key_change() -> None:
    old, new = SigningKey(generate("ec-p256")), SigningKey(generate("ec-p256"))
    error = LostAnswer("the server closed the connection", method="POST", url=f"{CA}acme/key-change")
    after_key_change(Account(url=f"{CA}acme/acct/1", key=old), new, error, lost)


def waits_for(status: str, **more: object) -> None:
    url = f"{CA}acme/{'authz' if status == 'invalid' else 'order'}/1"
    seen = SimpleNamespace(url=url, status=status, **{"retry_after": None, "problem": None, **more})
    poll(lambda: seen, seen, until=["valid"], final=["invalid"], polling=Polling(), scope=None)


class Hooks:
    @hookimpl
    def acmez_choose_chain(self) -> str:
        return "ISRG Root X1"


def chooses_what_was_not_offered() -> None:
    PluginManager(discover=False).register(Hooks(), "my_hooks").choose_chain([])


def registers_twice() -> None:
    hooks = Hooks()
    PluginManager(discover=False).register(hooks, "hooks").register(hooks, "my_hooks")


def reads_configuration() -> None:
    Path("acmez.toml").write_text(
        'directory = "letsencrypt"\nparalelism = 3\naccount.contact = ["mailto:admin@example.com"]\n'
        '[[certificate]]\nnames = ["http://example.com"]\n'
    )
    load_config("acmez.toml")


def reads_shared_key() -> None:
    key = Path("account.pem").absolute()
    FileKey(key).get("account")
    key.chmod(0o644)
    FileKey(key).get("account")


class Unreachable:
    name: ClassVar[str] = "company-hsm"

    def get(self, purpose: str) -> PrivateKey:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def opens_what_is_no_journal() -> None:
    path = Path("acmez.journal").absolute()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (x)")
    path.chmod(0o600)
    with Journal(path) as journal:
        journal.abandoned()


def listens_elsewhere(module: str, name: str) -> None:
    listen("192.0.2.1", 80, error=getattr(import_module(module), name), in_use="")


def updates_without_permission() -> None:
    from acmez_dns_rfc2136.errors import refusal

    raise refusal("192.0.2.1", "example.com", "REFUSED", "key 'acme-key'")


def asks_kms_for_nothing() -> None:
    from acmez_key_aws_kms.errors import AwsKmsError, reason
    from botocore.exceptions import ClientError  # type: ignore[import-untyped]

    error = ClientError({"Error": {"Code": "NotFoundException", "Message": ""}}, "GetPublicKey")
    raise AwsKmsError(f"alias/acme-account: {reason(error)}")


def raises(error: AcmeError) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


UNSEEN = FailedIdentifier(
    "www.example.com", "http-01", "http-webroot", "validate", "connection: 192.0.2.7: Connection refused"
)
EXAMPLES: dict[str, Callable[[], object]] = {
    "AccountDoesNotExist": lambda: refused(
        "new-acct", 400, "accountDoesNotExist", "No account exists with the provided key"
    ),
    "AwsKmsError": asks_kms_for_nothing,
    "BadNonce": lambda: refused("new-order", 400, "badNonce", 'JWS has an invalid anti-replay nonce: "2VvE-fUUwQw"'),
    "Cancelled": cancelled,
    "ChallengesFailed": raises(ChallengesFailed([UNSEEN], order_url=None)),
    "ConfigError": reads_configuration,
    "ConnectError": raises(ConnectError("connection refused", method="GET", url=f"{CA}directory")),
    "DeadlineExceeded": waits_too_long,
    "InputError": lambda: identifiers(["https://example.com/"]),
    "JournalError": opens_what_is_no_journal,
    "KeyChangeError": undecided_key_change,
    "KeyFileError": reads_shared_key,
    "KeyProviderError": lambda: key_of(Unreachable(), "account"),
    "LostAnswer": lambda: lost(SigningKey(generate("ec-p256"))),
    "MalformedAnswer": malformed,
    "PluginConflictError": registers_twice,
    "PluginError": chooses_what_was_not_offered,
    "PluginLoadError": lambda: PluginManager(discover=False).load("my_hooks"),
    "PluginNotFoundError": lambda: PluginManager(discover=False).find(SOLVER, "dns-cloudflare"),
    "PollTimeout": lambda: waits_for("processing", retry_after=3600.0),
    "ProblemError": lambda: refused("new-order", 403, "unauthorized", "The account is deactivated"),
    "RateLimited": lambda: refused(
        "new-order",
        429,
        "rateLimited",
        "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s",
    ),
    "StandaloneError": lambda: listens_elsewhere("acmez_http_standalone.errors", "StandaloneError"),
    "StateError": lambda: waits_for("invalid", problem="connection: 192.0.2.7: Connection refused"),
    "TlsAlpnError": lambda: listens_elsewhere("acmez_tls_alpn.errors", "TlsAlpnError"),
    "TryAgainLater": lambda: Engine(Client(f"{CA}directory"), ()).pause(0, 3600.0, f"{CA}acme/order/1"),
    "UnsupportedError": lambda: Directory(f"{CA}directory", {}, Meta()).require("keyChange"),
    "UpdateError": updates_without_permission,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_message_on_the_page_is_what_the_code_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AcmeError) as raised:
        EXAMPLES[name]()
    shown = explanations.text(name).partition("```text\n")[2].partition("\n```")[0]
    assert type(raised.value).__name__ == raised.value.page == name
    assert str(raised.value).replace(str(tmp_path), "/etc/acmez") == shown


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("DeadlineExceeded", "ordering"),
        ("DeadlineExceeded", "to issue"),
        ("DeadlineExceeded", "finalizing"),
        ("DeadlineExceeded", "downloading"),
        ("TryAgainLater", "reached"),
    ],
)
def test_other_messages_that_a_page_tells_of_are_those_of_the_code(name: str, word: str):
    code = "\n".join(text for file in (ROOT / "acmez").glob("*.py") for text in static.texts(file))
    spans = re.findall(r"`([^`]+)`", flat(explanations.text(name)))
    told = [text.rstrip("…") for text in spans if word in text]
    assert told
    assert [text for text in told if text not in code] == []


def flat(page: str) -> str:
    """Return the prose of a page, on one line."""
    return " ".join(re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE).split())


def test_an_error_without_a_page_leads_to_that_of_its_base():
    class OfSomebodyElse(acmez.acme.TransportError):
        pass

    assert OfSomebodyElse("down", method="GET", url=CA).page == "TransportError"


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ("RateLimited", "RateLimited"),
        ("ratelimited", "RateLimited"),
        ("acmez.acme.RateLimited", "RateLimited"),
        ("urn:ietf:params:acme:error:rateLimited", "RateLimited"),
        ("caa", "ProblemError"),
    ],
)
def test_a_page_is_found_by_what_the_message_or_the_ca_says(asked: str, page: str):
    assert explanations.text(asked).startswith(f"# {page}\n")


def test_an_unknown_error_is_told_with_what_may_be_meant():
    with pytest.raises(acmez.InputError, match=r"^unknown error 'RateLimit' \(did you mean 'RateLimited'\?\)$"):
        explanations.text("RateLimit")
