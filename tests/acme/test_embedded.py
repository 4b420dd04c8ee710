"""Every operation of the plumbing against the embedded CA, which also offers what Pebble does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from acmez_testkit import Problem
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from acmez.acme import (
    Account,
    AccountDoesNotExist,
    AlreadyReplaced,
    Authorization,
    Chain,
    ChallengeType,
    Client,
    Exchange,
    ExternalAccount,
    ExternalAccountRequired,
    Identifier,
    InputError,
    InvalidProfile,
    Order,
    OrderNotReady,
    Polling,
    ProblemError,
    RejectedIdentifier,
    RevocationReason,
    SigningKey,
    StateError,
    Transport,
    UnsupportedError,
    UserActionRequired,
    certificate_id,
)
from acmez.acme.challenges import http_01
from acmez.acme.wire import b64encode
from tests.pebble.test_plumbing import new_key, request_for
from tests.solvers import Lab, laboratory

POLLING = Polling(first=0.01, longest=0.1, timeout=30.0)
MAC_KEY = b64encode(b"k" * 32)


class Subscriber:
    """A client of one embedded CA, with an account."""

    def __init__(self, lab: Lab, stack: ExitStack, **account: Any) -> None:
        self.lab = lab
        self.exchanges: list[Exchange] = []
        transport = stack.enter_context(Transport(trust=lab.ca.trust_pem))
        self.client = Client(lab.ca.directory_url, transport=transport, observe=self.exchanges.append)
        self.account = self.another_account(**account)

    def another_account(self, **options: Any) -> Account:
        return self.client.new_account(new_key(), **{"terms_of_service_agreed": True, **options})

    def order(self, *names: str, **options: Any) -> Order:
        return self.client.new_order(self.account, [Identifier.dns(name) for name in names], **options)

    def prove(self, authorization: Authorization) -> Authorization:
        """Answer http-01 until the CA has decided."""
        challenge = next(each for each in authorization.challenges if each.type == ChallengeType.HTTP_01)
        expected = http_01.answer(challenge)
        token = expected.path.rpartition("/")[2]
        self.lab.web.answers[token] = expected.body
        try:
            assert self.client.respond(self.account, challenge).status == "processing"
            return self.client.poll_authorization(self.account, authorization, polling=POLLING)
        finally:
            del self.lab.web.answers[token]

    def ready(self, order: Order) -> Order:
        for url in order.authorizations:
            self.prove(self.client.authorization(self.account, url))
        return self.client.order(self.account, order.url)

    def finalize(self, order: Order, key: ec.EllipticCurvePrivateKey | None = None) -> Order:
        names = [identifier.value for identifier in order.identifiers]
        request = request_for(key or ec.generate_private_key(ec.SECP256R1()), *names)
        return self.client.finalize(self.account, order, request)

    def issued(self, *names: str, key: ec.EllipticCurvePrivateKey | None = None, **options: Any) -> Chain:
        order = self.finalize(self.ready(self.order(*names, **options)), key)
        order = self.client.poll_order(self.account, order, until={"valid"}, polling=POLLING)
        assert order.certificate is not None
        return self.client.certificate(self.account, order.certificate)


Subscribe = Callable[..., Subscriber]


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    with ExitStack() as stack:

        def start(account: dict[str, Any] | None = None, **behaviour: Any) -> Subscriber:
            lab = stack.enter_context(laboratory(**behaviour))
            return Subscriber(lab, stack, **account or {})

        yield start


def names_of(chain: Chain) -> set[str]:
    extension = chain.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(extension.value.get_values_for_type(x509.DNSName))


def test_the_directory_tells_what_is_offered(subscribe: Subscribe):
    subscriber = subscribe(profiles={"long": "ninety days"})

    directory = subscriber.client.directory()

    assert directory.require("newAuthz") == subscriber.lab.ca.directory_url.replace("directory", "new-authz")
    assert directory.require("renewalInfo")
    assert directory.meta.terms_of_service == subscriber.lab.ca.behaviour.terms_of_service
    assert directory.meta.profiles == {"long": "ninety days"}
    assert not directory.meta.external_account_required


class TestAccounts:
    def test_an_account_is_created_found_fetched_and_updated(self, subscribe: Subscribe):
        subscriber = subscribe({"contact": ["mailto:a@example.com"]})
        client, account = subscriber.client, subscriber.account

        assert (account.status, account.terms_of_service_agreed) == ("valid", True)
        assert client.new_account(account.key, terms_of_service_agreed=True).url == account.url
        assert client.find_account(account.key).url == account.url
        assert client.account(account).contact == ("mailto:a@example.com",)
        assert client.update_account(account, contact=["mailto:b@example.com"]).contact == ("mailto:b@example.com",)
        assert client.update_account(account, contact=[]).contact == ()
        assert client.account(account).contact == ()

    def test_an_unknown_key_has_no_account(self, subscribe: Subscribe):
        with pytest.raises(AccountDoesNotExist):
            subscribe().client.find_account(new_key())

    def test_a_deactivated_account_stays_so(self, subscribe: Subscribe):
        subscriber = subscribe()

        assert subscriber.client.deactivate_account(subscriber.account).status == "deactivated"

        assert [account.status for account in subscriber.lab.ca.accounts] == ["deactivated"]
        with pytest.raises(ProblemError, match="deactivated"):
            subscriber.order("a.test")

    def test_terms_must_be_agreed_to_when_they_are_new_and_when_they_change(self, subscribe: Subscribe):
        subscriber = subscribe()

        with pytest.raises(UserActionRequired, match="terms of service"):
            subscriber.client.new_account(new_key())
        subscriber.lab.ca.change_terms("https://ca.example/terms/v2")
        with pytest.raises(UserActionRequired) as caught:
            subscriber.order("a.test")
        assert caught.value.problem.instance == "https://ca.example/terms/v2"

    def test_an_external_account_is_bound(self, subscribe: Subscribe):
        subscriber = subscribe(
            {"external_account": ExternalAccount("kid-1", MAC_KEY)}, external_accounts={"kid-1": MAC_KEY}
        )

        (account,) = subscriber.lab.ca.accounts
        assert account.external_account is not None
        assert subscriber.client.directory().meta.external_account_required
        with pytest.raises(ExternalAccountRequired):
            subscriber.another_account()
        with pytest.raises(ProblemError):
            subscriber.another_account(external_account=ExternalAccount("kid-1", b64encode(b"x" * 32)))


class TestKeyChange:
    def test_an_account_gets_another_key(self, subscribe: Subscribe):
        subscriber = subscribe()
        client, old = subscriber.client, subscriber.account

        changed = client.change_key(old, new_key())

        assert changed.url == old.url
        assert client.account(changed).status == "valid"
        assert client.find_account(changed.key).url == old.url
        with pytest.raises(AccountDoesNotExist):
            client.find_account(old.key)

    def test_a_key_of_another_account_is_refused(self, subscribe: Subscribe):
        subscriber = subscribe()
        other = subscriber.another_account()

        with pytest.raises(ProblemError) as caught:
            subscriber.client.change_key(subscriber.account, other.key)

        assert caught.value.status == 409
        assert subscriber.client.find_account(subscriber.account.key).url == subscriber.account.url
        assert subscriber.client.find_account(other.key).url == other.url

    def test_the_key_that_the_account_has_is_refused_unasked(self, subscribe: Subscribe):
        subscriber = subscribe()

        with pytest.raises(InputError, match="the new key is the account's already"):
            subscriber.client.change_key(subscriber.account, subscriber.account.key)
        assert subscriber.lab.requests()["key-change"] == 0


class TestOrderLists:
    @pytest.mark.parametrize("array", [False, True], ids=["object", "array"])
    def test_orders_are_listed_one_a_page(self, subscribe: Subscribe, *, array: bool):
        subscriber = subscribe(orders_per_page=1, orders_as_array=array)
        made = [subscriber.order(f"{number}.test").url for number in range(3)]

        assert list(subscriber.client.orders(subscriber.account)) == made

        assert subscriber.lab.requests()["orders"] == 3

    def test_an_account_without_orders_has_an_empty_list(self, subscribe: Subscribe):
        subscriber = subscribe()

        assert list(subscriber.client.orders(subscriber.account)) == []


class TestOrders:
    def test_a_certificate_is_issued_although_nonces_are_rejected(self, subscribe: Subscribe):
        subscriber = subscribe(nonce_reject=0.3)
        key = ec.generate_private_key(ec.SECP256R1())

        chain = subscriber.issued("a.test", "b.test", key=key)

        assert names_of(chain) == {"a.test", "b.test"}
        assert chain.leaf.public_key() == key.public_key()
        assert any(exchange.status == 400 for exchange in subscriber.exchanges)

    def test_a_certificate_that_is_issued_at_once_is_named_by_the_answer_to_finalize(self, subscribe: Subscribe):
        subscriber = subscribe()

        order = subscriber.finalize(subscriber.ready(subscriber.order("a.test")))

        assert (order.status, bool(order.certificate)) == ("valid", True)

    def test_a_certificate_that_takes_time_is_waited_for(self, subscribe: Subscribe):
        subscriber = subscribe(async_finalize=True, processing_seconds=0.05, retry_after=(None, None))
        ready = subscriber.ready(subscriber.order("a.test"))

        processing = subscriber.finalize(ready)
        done = subscriber.client.poll_order(subscriber.account, processing, until={"valid"}, polling=POLLING)

        assert (ready.status, processing.status, processing.certificate) == ("ready", "processing", None)
        assert (done.url, bool(done.certificate)) == (ready.url, True)

    def test_an_issuance_that_fails_tells_why(self, subscribe: Subscribe):
        subscriber = subscribe(caa_refused_names=frozenset({"a.test"}), async_finalize=True, retry_after=(None, None))
        order = subscriber.finalize(subscriber.ready(subscriber.order("a.test")))

        with pytest.raises(StateError, match=r"CAA record for 'a\.test' prevents issuance"):
            subscriber.client.poll_order(subscriber.account, order, until={"valid"}, polling=POLLING)

    def test_an_order_that_is_not_ready_cannot_be_finalized(self, subscribe: Subscribe):
        subscriber = subscribe()
        order = subscriber.order("a.test")

        with pytest.raises(OrderNotReady):
            subscriber.finalize(order)
        assert subscriber.client.order(subscriber.account, order.url).status == "pending"

    def test_a_profile_can_be_picked(self, subscribe: Subscribe):
        subscriber = subscribe(profiles={"long": "ninety days", "short": "six days"})

        assert subscriber.order("a.test").profile == "long"
        assert subscriber.order("a.test", profile="short").profile == "short"
        with pytest.raises(InvalidProfile):
            subscriber.order("a.test", profile="none")

    def test_the_end_of_the_validity_can_be_asked_for(self, subscribe: Subscribe):
        not_after = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)

        assert subscribe().issued("a.test", not_after=not_after).leaf.not_valid_after_utc == not_after

    def test_a_rejected_identifier_is_told(self, subscribe: Subscribe):
        subscriber = subscribe(rejected_names=frozenset({"blocked.test"}))

        with pytest.raises(RejectedIdentifier, match=r"blocked\.test"):
            subscriber.order("blocked.test")

    def test_a_certificate_is_replaced_once(self, subscribe: Subscribe):
        subscriber = subscribe()
        name = certificate_id(subscriber.issued("a.test").leaf)

        assert subscriber.order("a.test", replaces=name).replaces == name
        with pytest.raises(AlreadyReplaced):
            subscriber.order("a.test", replaces=name)


class TestAuthorizations:
    def test_an_authorization_before_any_order_serves_one(self, subscribe: Subscribe):
        subscriber = subscribe()

        pending = subscriber.client.new_authorization(subscriber.account, Identifier.dns("a.test"))
        valid = subscriber.prove(pending)
        order = subscriber.order("a.test")

        assert (pending.status, valid.status, valid.url) == ("pending", "valid", pending.url)
        assert (order.status, order.authorizations) == ("ready", (pending.url,))

    def test_they_may_not_be_offered_before_an_order(self, subscribe: Subscribe):
        subscriber = subscribe(new_authz=False)

        with pytest.raises(UnsupportedError, match="newAuthz"):
            subscriber.client.new_authorization(subscriber.account, Identifier.dns("a.test"))

    def test_a_wildcard_is_one_only_by_its_flag(self, subscribe: Subscribe):
        subscriber = subscribe()
        (url,) = subscriber.order("*.a.test").authorizations

        authorization = subscriber.client.authorization(subscriber.account, url)

        assert (authorization.identifier.value, authorization.name) == ("a.test", "*.a.test")
        assert {challenge.type for challenge in authorization.challenges} == {"dns-01", "dns-account-01"}

    def test_a_challenge_that_is_not_met_tells_why(self, subscribe: Subscribe):
        subscriber = subscribe()
        (url,) = subscriber.order("a.test").authorizations
        authorization = subscriber.client.authorization(subscriber.account, url)
        challenge = next(each for each in authorization.challenges if each.type == ChallengeType.HTTP_01)

        subscriber.client.respond(subscriber.account, challenge)

        with pytest.raises(StateError, match=r"is 'invalid': .*404"):
            subscriber.client.poll_authorization(subscriber.account, authorization, polling=POLLING)

    def test_one_that_is_given_up_makes_its_order_invalid(self, subscribe: Subscribe):
        subscriber = subscribe()
        order = subscriber.order("a.test")

        (url,) = order.authorizations
        assert subscriber.client.deactivate_authorization(subscriber.account, url).status == "deactivated"

        assert subscriber.client.authorization(subscriber.account, url).status == "deactivated"
        assert subscriber.client.order(subscriber.account, order.url).status == "invalid"


class TestCertificates:
    def test_every_chain_can_be_had(self, subscribe: Subscribe):
        subscriber = subscribe(alternate_roots=2, chain_length=2)

        chain = subscriber.issued("a.test")
        others = list(subscriber.client.alternates(subscriber.account, chain))

        assert [len(each.certificates) for each in (chain, *others)] == [3, 3, 3]
        assert {each.leaf for each in others} == {chain.leaf}
        assert len({each.certificates[-1].issuer.rfc4514_string() for each in (chain, *others)}) == 3

    def test_a_chain_that_cannot_be_had_is_left_out(self, subscribe: Subscribe):
        subscriber = subscribe(alternate_roots=2)
        chain = subscriber.issued("a.test")
        subscriber.lab.ca.faults.add("certificate", Problem("malformed", "gone", 404))

        (other,) = subscriber.client.alternates(subscriber.account, chain)

        assert other.url == chain.alternates[1]

    @pytest.mark.parametrize("by", ["account", "certificate key"])
    def test_a_certificate_is_revoked_once_and_for_all(self, subscribe: Subscribe, by: str):
        subscriber = subscribe()
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = subscriber.issued("a.test", key=key).leaf
        signer = subscriber.account if by == "account" else SigningKey(key)

        subscriber.client.revoke(signer, leaf, reason=RevocationReason.SUPERSEDED)
        subscriber.client.revoke(signer, leaf)

        (certificate,) = subscriber.lab.ca.certificates
        assert certificate.revocation_reason == RevocationReason.SUPERSEDED
        assert subscriber.lab.requests()["revoke"] == 2

    def test_another_account_may_not_revoke(self, subscribe: Subscribe):
        subscriber = subscribe()
        leaf = subscriber.issued("a.test").leaf

        with pytest.raises(ProblemError) as caught:
            subscriber.client.revoke(subscriber.another_account(), leaf)

        assert caught.value.status == 403
        assert [each.revocation_reason for each in subscriber.lab.ca.certificates] == [None]


class TestRenewalInformation:
    def test_a_window_is_suggested_and_can_move(self, subscribe: Subscribe):
        subscriber = subscribe(renewal_retry_after=7200)
        chain = subscriber.issued("a.test")
        leaf = chain.leaf
        start = datetime(2026, 1, 1, tzinfo=UTC)

        suggested = subscriber.client.renewal_info(leaf)
        subscriber.lab.ca.set_renewal_window(chain.pem, start, start + timedelta(days=1), "https://ca.example/why")
        moved = subscriber.client.renewal_info(certificate_id(leaf))

        assert leaf.not_valid_before_utc < suggested.start < suggested.end < leaf.not_valid_after_utc
        assert (moved.start, moved.end) == (start, start + timedelta(days=1))
        assert (moved.explanation_url, moved.retry_after) == ("https://ca.example/why", 7200.0)

    def test_it_may_not_be_offered(self, subscribe: Subscribe):
        with pytest.raises(UnsupportedError, match="renewalInfo"):
            subscribe(renewal_info=False).client.renewal_info("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
