"""The porcelain client: the whole order flow of RFC 8555 §7.1 behind a few methods."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from cryptography import x509

from . import events
from .acme.account import Account
from .acme.authorities import directory_url, recognise
from .acme.certificate import RevocationReason
from .acme.client import Client as AcmeClient
from .acme.errors import AcmeError, Cancelled, InputError
from .acme.jws import ExternalAccount, PrivateKey, SigningKey
from .acme.pace import OrderLimit, Rates
from .acme.polling import Polling
from .acme.renewal import RenewalInfo
from .acme.retry import RetryPolicy
from .acme.scope import CancelScope
from .acme.session import Exchange
from .acme.transport import Timeouts, Transport
from .acme.trust import Trust
from .certificate import Certificate
from .csr import certificate_names
from .engine import Engine, log
from .issuance import Issuance
from .keys import load_private_key, private_pem
from .own_account import OwnAccount
from .protocols import KeyProvider, Solver
from .renewing import Due, decide
from .request import Request, public_bytes, specs_for
from .routing import Route
from .spec import CertificateSpec
from .sweeping import sweep

if TYPE_CHECKING:
    from .fleet import Executor, Issued
    from .journal import Journal
    from .plugins import PluginManager


class Client:
    """Obtains certificates from one CA with one account; safe for many threads.

    Args:
        directory: the CA's directory URL, or a short name such as "letsencrypt-staging".
        solvers: answer the challenges; a `Route` says for which names, and who waits.
        account_key: the account's key, or what provides it; `None`: a new one, for a throw-away account.
        account_url: the account's URL, if you kept it; `None`: the CA is asked by key.
        contact, terms_of_service_agreed, external_account: what `register` sends if it is given nothing.
        certificates: the specifications that `certificates` returns, as a config file names them.
        preferred_challenges: challenge types to try first, best first.
        plugins: hooks that decide and watch; `None`: none.
        on_event: is called with every event, one at a time.
        journal: file on a local disk in which every step is written down, so that after a crash another
            process goes on with the same order and key; `None`: nothing is.
        retry: decides which requests are repeated; `None`: the built-in policy.
        polling: when to look again at what the CA is working on.
        trust: what vouches for the CA's own server: PEM file, directory, bytes or `SSLContext`;
            `None`: the system's trust store.
        proxy: URL; `None`: as the environment says; "": none.
        timeouts: seconds for each request.
        parallelism: how many requests and solver calls at once for one order, and how many connections.
        requests_per_second: at most so many; `None`: what the CA is known to bear, if anything is known.
        order_limit: how many orders this client may make in a period; those that replace a certificate do not count
            (RFC 9773 §5), nor those that are resumed. `None`: what the CA is known to allow, if anything is known.
        cleanup_timeout: seconds that cleaning up may take, whatever happened before.
        allow_http: also talk to a CA without TLS; for tests.
        pin_host: send to the host of *directory* alone, and refuse whatever URLs of other hosts the CA names.
        user_agent: put in front of the library's own.
    """

    def __init__(
        self,
        directory: str,
        *,
        solvers: Sequence[Solver | Route] = (),
        account_key: KeyProvider | PrivateKey | None = None,
        account_url: str | None = None,
        contact: Sequence[str] = (),
        terms_of_service_agreed: bool = False,
        external_account: ExternalAccount | None = None,
        certificates: Sequence[CertificateSpec] = (),
        preferred_challenges: Sequence[str] = (),
        plugins: PluginManager | None = None,
        on_event: Callable[[events.Event], None] | None = None,
        journal: Journal | str | os.PathLike[str] | None = None,
        retry: RetryPolicy | None = None,
        polling: Polling | None = None,
        trust: Trust = None,
        proxy: str | None = None,
        timeouts: Timeouts | None = None,
        parallelism: int = 10,
        requests_per_second: Rates | None = None,
        order_limit: OrderLimit | None = None,
        cleanup_timeout: float = 30.0,
        allow_http: bool = False,
        pin_host: bool = False,
        user_agent: str = "",
    ) -> None:
        settings = {name: value for name, value in locals().items() if name not in {"self", "directory"}}
        self._settings = directory, settings
        self._owns_journal = isinstance(journal, str | os.PathLike)
        if parallelism < 1:
            raise InputError(f"parallelism: {parallelism!r} is not at least 1")
        self.certificates = tuple(certificates)
        self._contact = tuple(contact)
        self._terms_agreed = terms_of_service_agreed
        self._external_account = external_account
        self._transport = Transport(
            trust=trust,
            proxy=proxy,
            connections=parallelism,
            timeouts=timeouts,
            allow_http=allow_http,
            only_hosts=[urlsplit(directory_url(directory)).hostname or ""] if pin_host else None,
            user_agent=user_agent,
        )
        known = recognise(directory)
        if known is not None:
            requests_per_second = known.requests_per_second if requests_per_second is None else requests_per_second
            order_limit = order_limit or known.order_limit
        self.acme = AcmeClient(
            directory_url(directory),
            transport=self._transport,
            retry=retry,
            observe=self._observe,
            requests_per_second=requests_per_second,
        )
        self._engine = Engine(
            acme=self.acme,
            routes=tuple(solver if isinstance(solver, Route) else Route(solver) for solver in solvers),
            plugins=plugins,
            journal=_journal(journal),
            on_event=on_event,
            preferred_challenges=tuple(preferred_challenges),
            parallelism=parallelism,
            polling=polling or Polling(),
            cleanup_timeout=cleanup_timeout,
            order_limit=order_limit,
        )
        self._own = OwnAccount(self.acme, account_key, account_url, self._engine.journal, self._account_ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and the journal unless it was given open; a later call opens them anew."""
        self._transport.close()
        if self._engine.journal is not None and self._owns_journal:
            self._engine.journal.close()

    # The account, RFC 8555 §7.3

    def register(
        self,
        contact: Sequence[str] | None = None,
        *,
        terms_of_service_agreed: bool | None = None,
        external_account: ExternalAccount | None = None,
        scope: CancelScope | None = None,
    ) -> Account:
        """Create the account, or find the one that the key has already.

        Args:
            contact: URLs such as "mailto:admin@example.com".
            terms_of_service_agreed: whether you agree to the CA's terms.
            external_account: what the CA gave you to bind the account to (RFC 8555 §7.3.4).

        Raises:
            UserActionRequired: the terms must be agreed to; the error holds their URL.
            ExternalAccountRequired: the CA wants an external account binding.
        """
        return self._own.register(
            self._contact if contact is None else contact,
            terms_of_service_agreed=self._terms_agreed if terms_of_service_agreed is None else terms_of_service_agreed,
            external_account=external_account or self._external_account,
            scope=scope,
        )

    def account(self, *, scope: CancelScope | None = None) -> Account:
        """Return the account of the key; a change of the key that a crash interrupted is finished first.

        Raises:
            AccountDoesNotExist: it was never registered; call `register`.
            KeyChangeError: a change of its key was interrupted, and the CA does not say which key it has now.
        """
        return self._own.find(scope)

    def update_account(
        self,
        contact: Sequence[str] | None = None,
        *,
        terms_of_service_agreed: bool = False,
        scope: CancelScope | None = None,
    ) -> Account:
        """Replace the account's contacts, or agree to changed terms of service (RFC 8555 §7.3.2, §7.3.3).

        Args:
            contact: URLs such as "mailto:admin@example.com"; empty: none; `None`: as they are.
            terms_of_service_agreed: agree to what `UserActionRequired` asked for.
        """
        return self._own.update(contact, agreed=terms_of_service_agreed, scope=scope)

    def change_account_key(
        self,
        new: KeyProvider | PrivateKey | str | os.PathLike[str] | None = None,
        *,
        scope: CancelScope | None = None,
    ) -> Account:
        """Give the account another key (RFC 8555 §7.3.5); no crash leaves it without one that you have.

        The new key is kept on the disk before the CA is told of it: beside the file of a `FileKey`, which it
        replaces once the CA has taken it; for other account keys in the journal, until the client is made with
        the new one. What was interrupted, or whose answer was lost, the next client finishes, or this one's next
        call. Obtain nothing meanwhile: running orders are signed with the old key.

        Args:
            new: the new key, what provides it, or its file, made if it is not there; `None`: a new EC P-256 key.
                One that cannot leave its HSM or KMS is kept by name: the client has to be made with it next time.

        Raises:
            InputError: it is the account's already, or was before, or a generated one could be kept nowhere.
            KeyFileError, JournalError: it cannot be kept; nothing was sent.
            KeyChangeError: the account keeps its old key, or the CA does not say which one it has.
            ProblemError: the CA refused, and the account keeps its old key.
        """
        return self._own.change_key(new, scope)

    def deactivate_account(self, *, scope: CancelScope | None = None) -> Account:
        """End the account for ever (RFC 8555 §7.3.6); certificates stay valid, and its key registers no other."""
        return self._own.deactivate(scope)

    # Certificates, RFC 8555 §7.4

    def obtain(
        self,
        what: Sequence[str] | bytes | str | x509.CertificateSigningRequest | CertificateSpec,
        *,
        key: KeyProvider | PrivateKey | None = None,
        profile: str | None = None,
        preferred_chain: str | None = None,
        replaces: x509.Certificate | str | None = None,
        allow_subset: bool = False,
        timeout: float | None = None,
        scope: CancelScope | None = None,
    ) -> Certificate:
        """Obtain one certificate.

        Args:
            what: names ("example.com", "*.example.com", "192.0.2.1"), or a certificate request of your
                own (PEM, DER or object), or a `CertificateSpec`, which the other arguments complete.
            key: the certificate's key, or what provides it; `None`: a new EC P-256 key.
            profile: one of the CA's profiles.
            preferred_chain: (part of) the common name of the issuer at the top of the wanted chain.
            replaces: the certificate that this one replaces (RFC 9773 §5).
            allow_subset: issue without the names that cannot be proved, if there are others.
            timeout: seconds for everything but cleaning up.
            scope: cancels the issuance from another thread.

        Raises:
            InputError: the names or the request are wrong; nothing was sent.
            ChallengesFailed: some names could not be proved; says which, at which step, and why.
            OrderFailed, TryAgainLater, CertificateError: as the CA behaves.
            ProblemError, TransportError: as the CA refuses, or does not answer.
            Cancelled: *scope* ended; everything presented was cleaned up.
        """
        spec = _spec(what)
        spec = replace(
            spec,
            key=spec.key if key is None else key,
            profile=profile or spec.profile,
            preferred_chain=preferred_chain or spec.preferred_chain,
            replaces=spec.replaces if replaces is None else replaces,
        )
        request = Request.from_spec(spec)
        if request.csr.public_key() == self._own.key.private_key.public_key():
            raise InputError("certificate: its key is the account's, which CAs refuse (RFC 8555 §11.1)")
        with CancelScope(timeout, parent=scope) as inner:
            account = self.account(scope=inner)
            return Issuance(self._engine, account, spec, request, allow_subset=allow_subset, scope=inner).run()

    def obtain_many(
        self,
        specs: Iterable[CertificateSpec | Sequence[str]],
        *,
        executor: Executor | None = None,
        at_once: int = 8,
        scope: CancelScope | None = None,
    ) -> Iterator[Issued]:
        """Obtain many certificates with one account, and yield each as it is done; a failure stops no other.

        Args:
            specs: read one by one, so that there may be any number of them.
            executor: runs the issuances instead of threads of this process, in other processes, say; the client
                is pickled for them, so give it an account that is registered, and a journal that they can reach.
            at_once: how many issuances run, or wait in the executor, at the same time.
            scope: cancels those that run in this process, and those that an executor has not begun; the rest
                goes on to its end, and into the journal.

        An issuance that an executor loses, with its worker, fails; obtaining again goes on with its order. A
        cluster may do that by itself, Dask does, and at worst obtains twice what it finished as a worker died.

        Raises:
            InputError: *at_once* is less than 1.
            Cancelled: *scope* ended; what was obtained before was yielded.
        """
        from .fleet import obtain_many

        return obtain_many(self, map(_spec, specs), executor=executor, at_once=at_once, scope=scope)

    def adopt(self, certificate: Certificate) -> Certificate:
        """Take over a certificate that another process obtained: writing it tells this client, and its journal."""
        if certificate.written is not None:
            return certificate
        journal, order = self._engine.journal, certificate.order_url
        if journal is not None:
            journal.adopt(order)
        forget = None if journal is None else partial(journal.forget, order)
        names = tuple(sorted(value for _, value in certificate_names(certificate.leaf)))
        return replace(certificate, written=self._engine.delivery(certificate.leaf, names, order, forget))

    def __reduce__(self) -> tuple[Callable[..., Client], tuple[str, Mapping[str, object], bytes | None]]:
        """Pickle the settings, but for `certificates`, and the account; connections are each process's own."""
        directory, settings = self._settings
        given, pem = self._own.given, None
        settings = {**settings, "account_key": given, "account_url": self._own.url, "certificates": ()}
        if given is None or isinstance(given, PrivateKey):
            settings["account_key"], pem = None, private_pem(self._own.key.private_key)
        if isinstance(settings["journal"], str | os.PathLike):
            settings["journal"] = Path(settings["journal"]).absolute()
        return _unpickle, (directory, settings, pem)

    def unfinished(self, *, scope: CancelScope | None = None) -> list[CertificateSpec]:
        """Return what the orders are for that an earlier process left in the journal.

        They are specifications of `certificates` where those fit. An order whose key is neither in the journal
        nor provided by one of them is left out: obtain it with its key.

        Raises:
            InputError: the client has no journal.
        """
        journal = self._required_journal()
        account = self.account(scope=scope)
        return specs_for(journal.waiting(self.acme.session.directory_url, account.url), self.certificates)

    def resume(self, *, at_once: int = 8, scope: CancelScope | None = None) -> Iterator[Issued]:
        """Go on with every order of `unfinished`, as `obtain_many` does.

        Raises:
            InputError: the client has no journal.
        """
        return self.obtain_many(self.unfinished(scope=scope), at_once=at_once, scope=scope)

    def sweep(self, *, scope: CancelScope | None = None) -> list[str]:
        """Clean up every answer that an earlier process presented and did not live to clean up.

        Returns:
            One line for each that could not be cleaned up; it stays in the journal.

        Raises:
            InputError: the client has no journal.
        """
        journal = self._required_journal()
        abandoned = journal.abandoned()
        try:
            return sweep(self._engine, journal, [each for _, answers in abandoned for each in answers], parent=scope)
        finally:
            for entry, _ in abandoned:
                journal.finish(entry, forget=False)

    def _required_journal(self) -> Journal:
        if self._engine.journal is None:
            raise InputError('the client has no journal (set journal = "acmez.journal")')
        return self._engine.journal

    def revoke(
        self,
        certificate: x509.Certificate,
        *,
        key: PrivateKey | None = None,
        reason: RevocationReason | None = None,
        scope: CancelScope | None = None,
    ) -> None:
        """Revoke a certificate (RFC 8555 §7.6); the journal never offers it again.

        Args:
            key: the certificate's own key; `None`: the account asks.
        """
        signer = self.account(scope=scope) if key is None else SigningKey(key)
        self.acme.revoke(signer, certificate, reason=reason, scope=scope)
        if self._engine.journal is not None:
            self._engine.journal.revoked(public_bytes(certificate))

    def renewal_info(self, certificate: x509.Certificate, *, scope: CancelScope | None = None) -> RenewalInfo:
        """Ask when the CA wants a certificate to be renewed (RFC 9773)."""
        return self.acme.renewal_info(certificate, scope=scope)

    def due(
        self, certificate: x509.Certificate, *, now: datetime | None = None, scope: CancelScope | None = None
    ) -> Due:
        """Say whether to renew a certificate: when the CA wants it (RFC 9773 §4.2), else late in its lifetime.

        The moment within the CA's window is random, and the same at each call. To renew, `obtain` with *replaces*.

        Args:
            now: the moment in question; `None`: the present. The time of your next look finds what cannot wait for it.
        """
        now, info = now or datetime.now(UTC), None
        if now < certificate.not_valid_after_utc:  # afterwards nobody may ask (RFC 9773 §4.3)
            try:
                info = self.renewal_info(certificate, scope=scope)
            except Cancelled:
                raise
            except AcmeError as exc:
                log.info("its lifetime decides when to renew a certificate, for: %s", exc)
        return decide(certificate, info, now)

    # Who watches

    def watch(self, observer: Callable[[events.Event], None]) -> None:
        """Call *observer* with every event from now on, besides `on_event` and plugins, one at a time.

        It is called in the thread in which something happens, and must return quickly; what it raises is logged and
        dropped. A client that is pickled leaves it behind.
        """
        self._engine.observers.append(observer)

    def _account_ready(self, account: Account) -> None:
        self._engine.emit(events.AccountReady(account=account.url))

    def _observe(self, exchange: Exchange) -> None:
        self._engine.emit_request(exchange)


def _spec(what: Sequence[str] | bytes | str | x509.CertificateSigningRequest | CertificateSpec) -> CertificateSpec:
    if isinstance(what, CertificateSpec):
        return what
    if isinstance(what, bytes | x509.CertificateSigningRequest):
        return CertificateSpec(csr=what)
    if isinstance(what, str):
        if "-----BEGIN" in what:
            return CertificateSpec(csr=what)
        raise InputError(f"names: expected a list, got the text {what!r} (did you mean [{what!r}]?)")
    return CertificateSpec(names=tuple(what))


def _journal(given: Journal | str | os.PathLike[str] | None) -> Journal | None:
    if given is None:
        return None
    from .journal import Journal

    return given if isinstance(given, Journal) else Journal(given)


def _unpickle(directory: str, settings: Mapping[str, Any], pem: bytes | None) -> Client:
    own_key = {} if pem is None else {"account_key": load_private_key(pem, "pickle")}
    return Client(directory, **{**settings, **own_key})
