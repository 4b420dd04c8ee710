"""One client: its account, what it refuses before it sends anything, many threads, and who watches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from acmez import (
    CertificateSpec,
    Client,
    DefaultRetry,
    ExternalAccount,
    InputError,
    PluginManager,
    ProblemError,
    RevocationReason,
    TransportError,
    events,
    hookimpl,
)
from acmez.acme.jws import PrivateKey
from acmez.acme.problem import AccountDoesNotExist, ExternalAccountRequired, UserActionRequired
from acmez.csr import build_request, certificate_names, identifiers
from tests.solvers import Lab, WebSolver, assert_no_threads, laboratory

Start = Callable[..., Lab]
NAME = "www.example.org"
MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


# The account, RFC 8555 §7.3


def test_registering_creates_an_account(start: Start):
    lab = start()
    account = lab.stranger().register(["mailto:admin@example.org"], terms_of_service_agreed=True)
    (created,) = lab.ca.accounts
    assert created.url == account.url
    assert created.contact == ("mailto:admin@example.org",)
    assert created.terms_agreed == lab.ca.behaviour.terms_of_service


def test_what_the_client_was_made_with_is_what_it_registers(start: Start):
    lab = start()
    lab.client(contact=["mailto:one@example.org"])
    lab.stranger(contact=["mailto:one@example.org"]).register(["mailto:two@example.org"])
    assert [account.contact for account in lab.ca.accounts] == [
        ("mailto:one@example.org",),
        ("mailto:two@example.org",),
    ]


def test_registering_again_finds_the_same_account(start: Start):
    lab = start()
    key = ec.generate_private_key(ec.SECP256R1())
    first, second = lab.stranger(account_key=key), lab.stranger(account_key=key)
    assert first.register().url == second.register().url == first.register().url
    assert len(lab.ca.accounts) == 1


def test_terms_that_nobody_agreed_to_are_told(start: Start):
    lab = start()
    with pytest.raises(UserActionRequired) as raised:
        lab.stranger(terms_of_service_agreed=False).register()
    assert raised.value.terms_of_service == lab.ca.behaviour.terms_of_service
    assert lab.ca.accounts == ()


def test_a_ca_that_wants_an_external_account_gets_it(start: Start):
    lab = start(external_accounts={"customer-1": MAC_KEY})
    with pytest.raises(ExternalAccountRequired):
        lab.stranger().register()
    lab.client(external_account=ExternalAccount("customer-1", MAC_KEY))
    (account,) = lab.ca.accounts
    assert account.external_account is not None


def test_a_malformed_contact_is_refused_before_anything_is_sent(start: Start):
    lab = start()
    with pytest.raises(InputError):
        lab.stranger().register(["admin@example.org\n"])
    assert lab.requests()["new-account"] == 0


def test_the_account_is_found_by_its_key_and_asked_for_once(start: Start):
    lab = start()
    key = ec.generate_private_key(ec.SECP384R1())
    registered = lab.client(account_key=key).account()
    before = lab.requests()["new-account"]
    client = lab.stranger(account_key=key)
    assert client.account().url == client.account().url == registered.url
    assert lab.requests()["new-account"] == before + 1


def test_with_its_url_the_account_is_not_asked_for(start: Start):
    lab = start()
    key = rsa.generate_private_key(65537, 2048)
    url = lab.client(account_key=key).account().url
    before = lab.requests()
    client = lab.stranger(WebSolver(web=lab.web), account_key=key, account_url=url)
    assert client.account().url == url
    assert lab.requests() == before
    client.obtain([NAME])
    assert lab.requests()["new-account"] == before["new-account"]


def test_a_key_that_is_not_registered_says_what_to_do(start: Start):
    lab = start()
    with pytest.raises(AccountDoesNotExist) as raised:
        lab.stranger(WebSolver(web=lab.web)).obtain([NAME])
    assert raised.value.__notes__ == ["the account key is not registered with this CA: call register() first"]
    assert lab.ca.accounts == ()


@dataclass
class Vault:
    """Hands out one key, and remembers for what."""

    name: ClassVar[str] = "vault"

    key: PrivateKey = field(repr=False)
    asked: list[str] = field(default_factory=list)

    def get(self, purpose: str) -> PrivateKey:
        self.asked.append(purpose)
        return self.key


def test_key_providers_are_asked_for_each_purpose(start: Start):
    lab = start()
    account, certificate = (Vault(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    issued = lab.client(WebSolver(web=lab.web), account_key=account).obtain([NAME], key=certificate)
    assert account.asked == ["account"]
    assert certificate.asked == ["certificate"]
    assert issued.private_key is certificate.key


# What is refused before anything is sent


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ([], "at least one name"),
        (NAME, r"did you mean \['www\.example\.org'\]"),
        (["https://www.example.org/"], "did you mean 'www.example.org'"),
        (["admin@example.org"], "did you mean 'example.org'"),
        (["*"], r"\*"),
        (["www.*.example.org"], "a wildcard is"),
        (["*.*.example.org"], "a wildcard is"),
        (["-bad.example.org", "worse..example.org"], r"-bad[\s\S]*worse"),
        (["a" * 64 + ".example.org"], "not a valid label"),
        (["192.0.2.256"], "neither an IP address nor a host name"),
        (["\N{SNOWMAN}\N{ZERO WIDTH JOINER}.example"], "internationalized"),
        (b"no request", "neither PEM nor DER"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "neither PEM nor DER"),
        (CertificateSpec(), "at least one name"),
        (CertificateSpec(names=(NAME,), csr=b"x"), "either csr, or names and key"),
    ],
)
def test_what_cannot_be_ordered_is_refused_before_anything_is_sent(
    start: Start, what: Sequence[str] | bytes | str | CertificateSpec, message: str
):
    lab = start()
    with pytest.raises(InputError, match=message):
        lab.stranger(WebSolver(web=lab.web)).obtain(what)
    assert lab.ca.requests == []


def test_a_request_comes_with_its_own_key(start: Start):
    lab = start()
    key = ec.generate_private_key(ec.SECP256R1())
    csr = build_request(key, identifiers([NAME])).public_bytes(Encoding.PEM)
    with pytest.raises(InputError, match="either csr, or names and key"):
        lab.stranger().obtain(csr, key=key)
    assert lab.ca.requests == []


def test_a_request_with_a_broken_signature_is_refused(start: Start):
    lab = start()
    csr = bytearray(
        build_request(ec.generate_private_key(ec.SECP256R1()), identifiers([NAME])).public_bytes(Encoding.DER)
    )
    csr[csr.index(b"example")] ^= 1
    with pytest.raises(InputError, match="csr: its signature does not fit"):
        lab.stranger().obtain(bytes(csr))
    assert lab.ca.requests == []


def test_a_request_without_names_is_refused(start: Start):
    lab = start()
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    csr = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    with pytest.raises(InputError, match="csr: it holds no name"):
        lab.stranger().obtain(csr)
    assert lab.ca.requests == []


def test_parallelism_is_at_least_one():
    with pytest.raises(InputError, match="parallelism: 0 is not at least 1"):
        Client("https://ca.example/directory", parallelism=0)


def test_a_ca_has_a_short_name():
    with Client("letsencrypt-staging") as client:
        assert client.acme.session.directory_url == "https://acme-staging-v02.api.letsencrypt.org/directory"


def test_an_unknown_short_name_gets_a_hint():
    with pytest.raises(InputError, match="letsencrypt-staging"):
        Client("letsencrypt-stagging")


def test_a_ca_without_tls_is_refused(start: Start):
    lab = start()
    with pytest.raises(InputError, match="http"), Client(lab.ca.directory_url.replace("https:", "http:")) as client:
        client.account()
    assert lab.ca.requests == []


def test_a_ca_that_nobody_vouches_for_is_refused(start: Start):
    lab = start()
    with pytest.raises(TransportError):
        lab.stranger(trust=lab.ca.root_pem(), retry=DefaultRetry(attempts=1)).register()
    assert lab.ca.requests == []


# Certificates


def test_a_certificate_is_revoked_by_the_account(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    issued = client.obtain([NAME])
    client.revoke(issued.leaf, reason=RevocationReason.SUPERSEDED)
    client.revoke(issued.leaf)  # it is revoked: that is what was wanted
    assert [certificate.revocation_reason for certificate in lab.ca.certificates] == [4]


def test_a_certificate_is_revoked_by_its_own_key(start: Start):
    lab = start()
    issued = lab.client(WebSolver(web=lab.web)).obtain([NAME])
    lab.stranger().revoke(issued.leaf, key=issued.private_key)
    assert [certificate.revocation_reason for certificate in lab.ca.certificates] == [0]


def test_a_foreign_certificate_is_not_revoked(start: Start):
    lab = start()
    issued = lab.client(WebSolver(web=lab.web)).obtain([NAME])
    with pytest.raises(ProblemError, match="unauthorized"):
        lab.client().revoke(issued.leaf)
    assert [certificate.revocation_reason for certificate in lab.ca.certificates] == [None]


def test_renewal_information_is_what_the_ca_says(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    issued = client.obtain([NAME])
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(days=5)
    lab.ca.set_renewal_window(issued.certificate_pem, begin, begin + timedelta(days=1))
    info = client.renewal_info(issued.leaf)
    assert (info.start, info.end) == (begin, begin + timedelta(days=1))


# Many threads, closing


def test_eight_threads_obtain_with_one_client(start: Start):
    lab = start(nonce_reject=0.1)
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    orders = [[f"host-{number}.example.org", "shared.example.org"] for number in range(8)]
    together = threading.Barrier(8)

    def obtain(names: list[str]) -> set[str]:
        together.wait(10)
        return {value for _, value in certificate_names(client.obtain(names).leaf)}

    with ThreadPoolExecutor(8) as pool:
        issued = list(pool.map(obtain, orders))
    assert issued == [set(names) for names in orders]
    assert len(lab.ca.accounts) == 1
    assert not solver.left


def test_two_orders_that_need_the_same_answer_share_it(start: Start):
    """CAs that reuse pending authorizations hand out one challenge twice: it goes when the last one is done."""
    lab = start(reuse_orders=True)
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    together = threading.Barrier(2)

    def obtain(_: int) -> None:
        together.wait(10)
        client.obtain([NAME])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(obtain, range(2)))
    assert len(lab.ca.certificates) == 2
    assert len(solver.called("present")) == len(solver.called("clean_up"))
    assert not solver.left


def test_a_closed_client_opens_new_connections(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    client.close()
    assert_no_threads()
    client.obtain([NAME])
    client.close()
    assert_no_threads()


# Who watches


def test_every_request_is_told(start: Start):
    lab = start()
    seen: list[events.Event] = []
    client = lab.client(WebSolver(web=lab.web), on_event=seen.append)
    client.obtain([NAME])
    told = [event.exchange for event in seen if isinstance(event, events.RequestFinished)]
    assert len(told) == len(lab.ca.requests)
    assert {exchange.operation for exchange in told} >= {"directory", "newAccount", "newOrder", "finalize"}
    assert all(exchange.seconds >= 0 for exchange in told)


def test_a_request_tells_whether_a_connection_was_opened_for_it(start: Start):
    lab = start()
    seen: list[events.Event] = []
    client = lab.client(on_event=seen.append)  # which registers
    client.acme.directory(refresh=True)
    client.close()
    client.acme.directory(refresh=True)
    opened = [event.exchange.opened for event in seen if isinstance(event, events.RequestFinished)]
    assert opened == [True, False, False, False, True]


def test_an_observer_that_fails_changes_nothing(start: Start, caplog: pytest.LogCaptureFixture):
    lab = start()

    def fail(event: events.Event) -> None:
        raise RuntimeError(f"did not like {event.name}")

    issued = lab.client(WebSolver(web=lab.web), on_event=fail).obtain([NAME])
    assert issued.leaf is not None
    assert "did not like certificate-issued" in caplog.text


def test_events_come_one_at_a_time(start: Start):
    lab = start()
    busy = threading.Lock()
    clashes: list[str] = []

    def watch(event: events.Event) -> None:
        if not busy.acquire(blocking=False):
            clashes.append(event.name)
            return
        busy.release()

    names = [f"host-{number}.example.org" for number in range(20)]
    lab.client(WebSolver(web=lab.web), on_event=watch).obtain(names)
    assert clashes == []


def test_an_observer_may_use_the_client(start: Start):
    lab = start()
    urls: list[str] = []

    def watch(event: events.Event) -> None:
        if isinstance(event, events.OrderReady):
            urls.append(client.account().url)
            client.acme.order(client.account(), event.order)

    client = lab.client(WebSolver(web=lab.web), on_event=watch)
    client.obtain([NAME], timeout=20)
    assert urls == [client.account().url]


def test_a_plugin_watches(start: Start):
    lab = start()

    class Observer:
        def __init__(self) -> None:
            self.names: list[str] = []

        @hookimpl
        def acmez_event(self, event: events.Event) -> None:
            self.names.append(event.name)

    observer = Observer()
    plugins = PluginManager(discover=False).register(observer)
    lab.client(WebSolver(web=lab.web), plugins=plugins).obtain([NAME])
    assert "certificate-issued" in observer.names


def test_a_client_tells_no_secret(start: Start):
    lab = start()
    client = lab.client(external_account=None, account_key=ec.generate_private_key(ec.SECP256R1()))
    binding = ExternalAccount("customer-1", MAC_KEY)
    assert MAC_KEY not in repr(binding)
    assert "PRIVATE" not in repr(client) + repr(client.account())
