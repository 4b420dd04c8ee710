"""Every operation of the plumbing against a real ACME server."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from acmez.acme import (
    Account,
    AccountDoesNotExist,
    Chain,
    ChallengeType,
    Client,
    Directory,
    Exchange,
    ExternalAccount,
    ExternalAccountRequired,
    Identifier,
    InvalidProfile,
    KeyChangeError,
    MalformedAnswer,
    Order,
    OrderNotReady,
    Polling,
    ProblemError,
    RejectedIdentifier,
    RevocationReason,
    SigningKey,
    Transport,
    UnsupportedError,
    UserActionRequired,
    certificate_id,
    refuses_replaces,
)
from acmez.acme.wire import b64encode
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.server import Pebble, PebbleOptions, Profile

ROOT = Path(__file__).resolve().parents[2]
QUICK = Polling(first=0.02, longest=0.2, timeout=60.0)
VALID = PebbleOptions(always_valid=True, authz_reuse=0, nonce_reject=0)


def new_key() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def request_for(key: ec.EllipticCurvePrivateKey, *names: str) -> x509.CertificateSigningRequest:
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(san, critical=False).sign(key, SHA256())


class Subscriber:
    """A client of one Pebble, with an account."""

    def __init__(self, pebble: Pebble, stack: ExitStack, **account: ExternalAccount | list[str]) -> None:
        self.pebble = pebble
        self.exchanges: list[Exchange] = []
        transport = stack.enter_context(Transport(trust=pebble.trust))
        self.client = Client(pebble.directory_url, transport=transport, observe=self.exchanges.append)
        self.account: Account = self.client.new_account(new_key(), terms_of_service_agreed=True, **account)  # type: ignore[arg-type]

    @property
    def directory(self) -> Directory:
        return self.client.directory()

    def order(self, *names: str, **options: str) -> Order:
        return self.client.new_order(self.account, [Identifier.dns(name) for name in names], **options)  # type: ignore[arg-type]

    def ready(self, order: Order) -> Order:
        """Have every authorization validated, which an always-valid Pebble does for any challenge."""
        for url in order.authorizations:
            authorization = self.client.authorization(self.account, url)
            if authorization.status != "valid":
                self.client.respond(self.account, authorization.challenges[0])
        return self.client.poll_order(self.account, order, until={"ready"}, polling=QUICK)

    def finalized(self, order: Order, key: ec.EllipticCurvePrivateKey) -> Order:
        names = [identifier.value for identifier in order.identifiers]
        order = self.client.finalize(self.account, order, request_for(key, *names))
        return self.client.poll_order(self.account, order, until={"valid"}, polling=QUICK)

    def issued(self, *names: str, key: ec.EllipticCurvePrivateKey | None = None, **options: str) -> Chain:
        order = self.finalized(
            self.ready(self.order(*names, **options)), key or ec.generate_private_key(ec.SECP256R1())
        )
        assert order.certificate is not None
        return self.client.certificate(self.account, order.certificate)


Subscribe = Callable[..., Subscriber]


@pytest.fixture
def subscribe(pebble_factory: PebbleFactory) -> Iterator[Subscribe]:
    with ExitStack() as stack:

        def start(options: PebbleOptions = VALID, **account: ExternalAccount | list[str]) -> Subscriber:
            return Subscriber(pebble_factory(options), stack, **account)

        yield start


@pytest.mark.parametrize("strict", [True, False])
def test_a_certificate_is_issued_whatever_goes_wrong_with_nonces(subscribe: Subscribe, *, strict: bool):
    subscriber = subscribe(PebbleOptions(strict=strict, always_valid=True, nonce_reject=50, retry_after_order=1))
    key = ec.generate_private_key(ec.SECP256R1())

    chain = subscriber.issued("a.test", "b.test", key=key)

    names = chain.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"a.test", "b.test"}
    assert chain.leaf.public_key() == key.public_key()
    assert any(exchange.status == 400 for exchange in subscriber.exchanges)


def test_the_example_obtains_a_certificate(pebble: Pebble):
    command = [sys.executable, "-W", "error", str(ROOT / "examples/plumbing.py"), pebble.directory_url, "example.test"]
    command += ["--port", str(pebble.http_port), "--trust", str(pebble.trust)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    leaf, *issuers = x509.load_pem_x509_certificates(done.stdout.encode())
    assert issuers
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == ["example.test"]


class TestAccounts:
    def test_an_account_is_created_found_fetched_and_updated(self, subscribe: Subscribe):
        subscriber = subscribe(contact=["mailto:a@example.com"])
        client, account = subscriber.client, subscriber.account

        assert account.status == "valid"
        assert client.new_account(account.key, terms_of_service_agreed=True).url == account.url
        assert client.find_account(account.key).url == account.url
        assert client.account(account).contact == ("mailto:a@example.com",)
        updated = client.update_account(account, contact=["mailto:b@example.com"])
        assert (updated.url, updated.contact) == (account.url, ("mailto:b@example.com",))

    def test_contacts_can_be_removed(self, subscribe: Subscribe):
        subscriber = subscribe(contact=["mailto:a@example.com"])

        subscriber.client.update_account(subscriber.account, contact=[])

        assert subscriber.client.account(subscriber.account).contact == ()

    def test_an_unknown_key_has_no_account(self, subscribe: Subscribe):
        with pytest.raises(AccountDoesNotExist):
            subscribe().client.find_account(new_key())

    def test_terms_must_be_agreed_to(self, subscribe: Subscribe):
        client = subscribe().client

        with pytest.raises(UserActionRequired) as caught:
            client.new_account(new_key())
        assert "terms of service" in str(caught.value)
        assert client.directory().meta.terms_of_service

    @pytest.mark.parametrize(
        "private_key",
        [
            ec.generate_private_key(ec.SECP384R1()),
            ec.generate_private_key(ec.SECP521R1()),
            rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ],
        ids=["ES384", "ES512", "RS256"],
    )
    def test_every_algorithm_that_pebble_speaks_is_spoken(
        self, pebble: Pebble, private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    ):
        with Transport(trust=pebble.trust) as transport:
            client = Client(pebble.directory_url, transport=transport)
            account = client.new_account(SigningKey(private_key), terms_of_service_agreed=True)
            assert client.account(account).status == "valid"

    def test_a_deactivated_account_stays_so(self, subscribe: Subscribe):
        subscriber = subscribe()

        assert subscriber.client.deactivate_account(subscriber.account).status == "deactivated"
        with pytest.raises(ProblemError):
            subscriber.order("a.test")

    def test_an_external_account_is_bound(self, subscribe: Subscribe):
        mac_key = b64encode(b"k" * 32)
        options = replace(VALID, eab_keys={"kid-1": mac_key})

        subscriber = subscribe(options, external_account=ExternalAccount("kid-1", mac_key))

        assert subscriber.account.status == "valid"
        assert subscriber.directory.meta.external_account_required
        with pytest.raises(ExternalAccountRequired):
            subscriber.client.new_account(new_key(), terms_of_service_agreed=True)
        with pytest.raises(ProblemError):
            subscriber.client.new_account(
                new_key(), terms_of_service_agreed=True, external_account=ExternalAccount("kid-1", b64encode(b"x" * 32))
            )

    def test_an_account_gets_another_key(self, subscribe: Subscribe):
        subscriber = subscribe()
        client, old = subscriber.client, subscriber.account

        changed = client.change_key(old, new_key())

        assert changed.url == old.url
        assert client.account(changed).status == "valid"
        assert client.find_account(changed.key).url == old.url
        with pytest.raises(AccountDoesNotExist):
            client.find_account(old.key)

    def test_a_key_change_that_is_repeated_after_a_crash_succeeds(self, subscribe: Subscribe):
        subscriber = subscribe()
        key = new_key()
        subscriber.client.change_key(subscriber.account, key)

        again = subscriber.client.change_key(subscriber.account, key)

        assert (again.url, again.key) == (subscriber.account.url, key)

    def test_a_key_of_another_account_is_refused_although_pebble_says_200(self, subscribe: Subscribe):
        subscriber = subscribe()
        other = subscriber.client.new_account(new_key(), terms_of_service_agreed=True)

        with pytest.raises(KeyChangeError) as caught:
            subscriber.client.change_key(subscriber.account, other.key)

        assert caught.value.holds is subscriber.account.key
        assert subscriber.client.account(subscriber.account).status == "valid"

    def test_orders_are_listed_one_a_page(self, subscribe: Subscribe):
        subscriber = subscribe(replace(VALID, orders_per_page=1))
        made = {subscriber.order(f"{number}.test").url for number in range(4)}
        account = subscriber.client.account(subscriber.account)

        assert set(subscriber.client.orders(account)) == made


class TestOrders:
    def test_an_order_that_is_not_ready_cannot_be_finalized(self, subscribe: Subscribe):
        subscriber = subscribe()
        order = subscriber.order("a.test")

        with pytest.raises(OrderNotReady):
            subscriber.client.finalize(
                subscriber.account, order, request_for(ec.generate_private_key(ec.SECP256R1()), "a.test")
            )
        assert subscriber.client.order(subscriber.account, order.url).status == "pending"

    def test_a_validity_can_be_asked_for(self, subscribe: Subscribe):
        subscriber = subscribe()
        not_after = datetime(2030, 1, 1, tzinfo=UTC)

        order = subscriber.client.new_order(subscriber.account, [Identifier.dns("a.test")], not_after=not_after)

        assert order.not_after == not_after

    def test_a_rejected_identifier_is_told(self, subscribe: Subscribe):
        subscriber = subscribe(replace(VALID, domain_blocklist=("blocked.test",)))

        with pytest.raises(RejectedIdentifier):
            subscriber.order("blocked.test")

    def test_a_profile_can_be_picked(self, subscribe: Subscribe):
        profiles = {"long": Profile("ninety days"), "short": Profile("six days", validity=6 * 86400)}
        subscriber = subscribe(replace(VALID, profiles=profiles))

        assert subscriber.directory.meta.profiles == {"long": "ninety days", "short": "six days"}
        order = subscriber.order("a.test", profile="short")
        assert order.profile == "short"
        leaf = subscriber.issued("b.test", profile="short").leaf
        assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 6
        with pytest.raises(InvalidProfile):
            subscriber.order("c.test", profile="none")

    def test_a_wildcard_is_proved_by_a_txt_record(self, subscribe: Subscribe):
        subscriber = subscribe(PebbleOptions(authz_reuse=0))
        client, account, dns = subscriber.client, subscriber.account, subscriber.pebble.dns
        order = subscriber.order("*.wild.test", "wild.test")
        for url in order.authorizations:
            authorization = client.authorization(account, url)
            challenge = next(each for each in authorization.challenges if each.type == ChallengeType.DNS_01)
            digest = hashlib.sha256(challenge.key_authorization.encode()).digest()
            dns.set_txt(f"_acme-challenge.{authorization.identifier}", b64encode(digest))
            client.respond(account, challenge)
            assert client.poll_authorization(account, authorization, polling=QUICK).status == "valid"
        assert {client.authorization(account, url).name for url in order.authorizations} == {"*.wild.test", "wild.test"}

        order = client.poll_order(account, order, until={"ready"}, polling=QUICK)
        assert subscriber.finalized(order, ec.generate_private_key(ec.SECP256R1())).certificate

    def test_challenges_without_token_are_read(self, subscribe: Subscribe):
        subscriber = subscribe()

        (url,) = subscriber.order("a.test").authorizations
        challenges = subscriber.client.authorization(subscriber.account, url).challenges

        by_type = {challenge.type: challenge for challenge in challenges}
        assert by_type[ChallengeType.HTTP_01].token
        assert by_type[ChallengeType.DNS_PERSIST_01].token is None
        with pytest.raises(MalformedAnswer, match="there is no token"):
            _ = by_type[ChallengeType.DNS_PERSIST_01].key_authorization

    def test_an_authorization_is_given_up(self, subscribe: Subscribe):
        subscriber = subscribe()
        (url,) = subscriber.order("a.test").authorizations

        assert subscriber.client.deactivate_authorization(subscriber.account, url).status == "deactivated"

    def test_authorizations_before_any_order_are_not_offered(self, subscribe: Subscribe):
        subscriber = subscribe()
        with pytest.raises(UnsupportedError, match="newAuthz"):
            subscriber.client.new_authorization(subscriber.account, Identifier.dns("a.test"))


class TestCertificates:
    def test_every_chain_can_be_had(self, subscribe: Subscribe):
        subscriber = subscribe(replace(VALID, alternate_roots=3, chain_length=3))

        chain = subscriber.issued("a.test")
        others = list(subscriber.client.alternates(subscriber.account, chain))

        assert [len(each.certificates) for each in (chain, *others)] == [4] * 4
        assert {each.leaf for each in others} == {chain.leaf}
        roots = {each.certificates[-1].issuer.rfc4514_string() for each in (chain, *others)}
        assert len(roots) == 4

    @pytest.mark.parametrize("by", ["account", "certificate key"])
    def test_a_certificate_is_revoked_once_and_for_all(self, subscribe: Subscribe, by: str):
        subscriber = subscribe()
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = subscriber.issued("a.test", key=key).leaf
        signer = subscriber.account if by == "account" else SigningKey(key)

        subscriber.client.revoke(signer, leaf, reason=RevocationReason.SUPERSEDED)
        subscriber.client.revoke(signer, leaf)

        assert subscriber.pebble.certificate_status(leaf.serial_number)["Status"] == "Revoked"

    def test_another_account_may_not_revoke(self, subscribe: Subscribe):
        subscriber = subscribe()
        leaf = subscriber.issued("a.test").leaf
        stranger = subscriber.client.new_account(new_key(), terms_of_service_agreed=True)

        with pytest.raises(ProblemError):
            subscriber.client.revoke(stranger, leaf)
        assert subscriber.pebble.certificate_status(leaf.serial_number)["Status"] == "Valid"


class TestRenewalInformation:
    def test_a_window_is_suggested_and_can_move(self, subscribe: Subscribe):
        subscriber = subscribe()
        chain = subscriber.issued("a.test")
        leaf = chain.leaf

        suggested = subscriber.client.renewal_info(leaf)

        assert leaf.not_valid_before_utc < suggested.start < suggested.end < leaf.not_valid_after_utc
        assert suggested.start <= suggested.pick() <= suggested.end
        window = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
        answer = {"suggestedWindow": window, "explanationURL": "https://example.com/why"}
        leaf_pem = chain.pem.split(b"-----END")[0].decode() + "-----END CERTIFICATE-----\n"
        subscriber.pebble.set_renewal_info(leaf_pem, json.dumps(answer))
        moved = subscriber.client.renewal_info(certificate_id(leaf))
        assert (moved.start, moved.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
        assert moved.explanation_url == "https://example.com/why"

    def test_a_window_that_makes_no_sense_is_malformed(self, subscribe: Subscribe):
        subscriber = subscribe()
        chain = subscriber.issued("a.test")
        leaf_pem = chain.pem.split(b"-----END")[0].decode() + "-----END CERTIFICATE-----\n"
        window = {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
        subscriber.pebble.set_renewal_info(leaf_pem, json.dumps({"suggestedWindow": window}))

        with pytest.raises(MalformedAnswer, match="ends before it starts"):
            subscriber.client.renewal_info(chain.leaf)

    def test_a_certificate_is_replaced_once(self, subscribe: Subscribe):
        subscriber = subscribe()
        name = certificate_id(subscriber.issued("a.test").leaf)

        order = subscriber.order("a.test", replaces=name)
        assert order.replaces == name
        subscriber.finalized(subscriber.ready(order), ec.generate_private_key(ec.SECP256R1()))
        with pytest.raises(ProblemError) as caught:
            subscriber.order("a.test", replaces=name)
        assert refuses_replaces(caught.value)

    def test_an_unknown_certificate_cannot_be_replaced(self, subscribe: Subscribe):
        subscriber = subscribe()
        with pytest.raises(ProblemError) as caught:
            subscriber.order("a.test", replaces="aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
        assert refuses_replaces(caught.value)
