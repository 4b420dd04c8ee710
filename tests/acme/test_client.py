"""Every request of RFC 8555 and its extensions, as it goes over the wire and comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from acmez.acme import (
    Account,
    AccountDoesNotExist,
    AcmeError,
    AutoRenewal,
    Cancelled,
    CancelScope,
    Chain,
    Challenge,
    Client,
    Conflict,
    DeadlineExceeded,
    DefaultRetry,
    ExternalAccount,
    Identifier,
    InputError,
    KeyChangeError,
    LostAnswer,
    MalformedAnswer,
    Order,
    OrderNotReady,
    Polling,
    ProblemError,
    RevocationReason,
    SigningKey,
    StateError,
    Transport,
    UnsupportedError,
    UserActionRequired,
    certificate_id,
)
from acmez.acme.challenges import txt_record
from acmez.acme.jws import thumbprint
from acmez.acme.wire import JSONObject, b64decode
from tests.acme.answers import Raw
from tests.acme.certificates import certificate, key, pem, request
from tests.acme.keys import P256
from tests.acme.server import NONCES, Answer, LoopbackServer, Peer, Request, problem, reply

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")

QUICK = Polling(first=0.001, longest=0.002)
NEW_KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
ENDPOINTS = {
    "newAuthz": "/new-authz",
    "revokeCert": "/revoke",
    "keyChange": "/key-change",
    "renewalInfo": "/renewal-info/",
}


def lose(_: Request, peer: Peer) -> None:
    """Read the request and close the connection."""
    peer.sock.close()


def lose_body(location: str) -> Answer:
    """Answer with a head and half a body."""

    def answer(_: Request, peer: Peer) -> None:
        peer.send(f"HTTP/1.1 201 Created\r\nLocation: {location}\r\nContent-Length: 99\r\n\r\n{{".encode())

    return answer


@pytest.fixture
def client(server: LoopbackServer, transport: Transport) -> Client:
    return Client(
        server.acme(**ENDPOINTS),
        transport=transport,
        retry=DefaultRetry(attempts=3, first_delay=0.001, max_delay=0.002),
    )


@pytest.fixture
def account(server: LoopbackServer, key: SigningKey) -> Account:
    return Account(f"{server.url}/acct/1", key)


@pytest.fixture
def order(server: LoopbackServer) -> Order:
    return Order(f"{server.url}/order/1", "ready", finalize=f"{server.url}/finalize/1")


def payload(sent: Request) -> Raw | None:
    encoded = sent.jws["payload"]
    return json.loads(b64decode(encoded)) if encoded else None


def protected(jws: dict[str, Any]) -> Raw:
    header: Raw = json.loads(b64decode(jws["protected"]))
    return header


def only(server: LoopbackServer, path: str) -> Raw | None:
    """The payload of the only request for *path*."""
    (sent,) = server.asked(path)
    return payload(sent)


class TestConstruction:
    def test_a_client_closes_its_own_transport(
        self, server: LoopbackServer, monkeypatch, authority: trustme.CA, tmp_path
    ):
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with Client(server.acme()) as client:
            assert client.directory().get("newOrder")
        assert client.transport._hosts == {}

    def test_a_client_leaves_a_shared_transport_open(self, server: LoopbackServer, transport: Transport):
        with Client(server.acme(), transport=transport) as client:
            client.directory()
        assert transport._hosts

    def test_the_directory_can_be_fetched_again(self, client: Client):
        assert client.directory() is client.directory()
        assert client.directory(refresh=True) is not None


class TestNewAccounts:
    def test_only_what_was_given_is_sent(self, server: LoopbackServer, client: Client, key: SigningKey):
        server.on("/new-account", reply(201, {"status": "valid", "orders": "/orders/1"}, location="/acct/1"))

        account = client.new_account(key)

        assert only(server, "/new-account") == {}
        assert account == Account(f"{server.url}/acct/1", key, orders=f"{server.url}/orders/1")
        header = protected(server.asked("/new-account")[0].jws)
        assert header["jwk"] == key.jwk
        assert "kid" not in header

    def test_everything_can_be_given(self, server: LoopbackServer, client: Client, key: SigningKey):
        server.on("/new-account", reply(201, {}, location="/acct/1"))

        client.new_account(
            key,
            contact=["mailto:a@example.com"],
            terms_of_service_agreed=True,
            external_account=ExternalAccount("kid-1", "c2VjcmV0", "HS384"),
        )

        sent = only(server, "/new-account")
        assert sent is not None
        binding = sent.pop("externalAccountBinding")
        assert sent == {"contact": ["mailto:a@example.com"], "termsOfServiceAgreed": True}
        assert protected(binding) == {"alg": "HS384", "kid": "kid-1", "url": f"{server.url}/new-account"}
        assert json.loads(b64decode(binding["payload"])) == key.jwk

    def test_an_existing_account_comes_back(self, server: LoopbackServer, client: Client, key: SigningKey):
        server.on("/new-account", reply(200, {"status": "valid"}, location="/acct/7"))

        assert client.new_account(key).url == f"{server.url}/acct/7"

    @pytest.mark.parametrize("body", ["", {}])
    def test_an_existing_account_without_location_is_looked_for(
        self, server: LoopbackServer, client: Client, key: SigningKey, body: object
    ):
        server.on("/new-account", reply(200, body), reply(200, {}, location="/acct/7"))

        assert client.new_account(key).url == f"{server.url}/acct/7"  # ZeroSSL
        assert payload(server.asked("/new-account")[1]) == {"onlyReturnExisting": True}

    def test_an_account_is_asked_for_again_when_the_answer_is_lost(
        self, server: LoopbackServer, client: Client, key: SigningKey
    ):
        server.on("/new-account", lose, reply(200, {}, location="/acct/1"))

        assert client.new_account(key).url == f"{server.url}/acct/1"

    def test_an_account_is_found_by_its_key(self, server: LoopbackServer, client: Client, key: SigningKey):
        server.on("/new-account", reply(200, {}, location="/acct/1"), problem(400, "accountDoesNotExist"))

        assert client.find_account(key).url == f"{server.url}/acct/1"
        assert only(server, "/new-account") == {"onlyReturnExisting": True}
        with pytest.raises(AccountDoesNotExist):
            client.find_account(key)

    def test_an_account_without_location_is_malformed(self, server: LoopbackServer, client: Client, key: SigningKey):
        server.on("/new-account", reply(200, {}))
        with pytest.raises(MalformedAnswer, match="has no Location"):
            client.find_account(key)

    def test_terms_that_must_be_agreed_to_are_linked(self, server: LoopbackServer, client: Client, key: SigningKey):
        server.on("/new-account", problem(403, "userActionRequired", link='</tos>;rel="terms-of-service"'))
        with pytest.raises(UserActionRequired) as caught:
            client.new_account(key)
        assert caught.value.terms_of_service == f"{server.url}/tos"


class TestAccounts:
    def test_an_account_is_fetched(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/acct/1", reply(200, {"status": "valid", "contact": ["mailto:a@example.com"]}))

        fetched = client.account(account)

        assert fetched == replace(account, contact=("mailto:a@example.com",))
        assert only(server, "/acct/1") is None
        assert protected(server.asked("/acct/1")[0].jws)["kid"] == account.url

    @pytest.mark.parametrize(
        "answer",
        [
            reply(405),
            reply(404, "<html>"),
            reply(403, {"message": "Missing Authentication Token"}),  # SSL.com
            problem(400, "malformed"),
            problem(501, "malformed"),
        ],
    )
    def test_a_server_without_post_as_get_of_accounts_is_asked_by_key(
        self, server: LoopbackServer, client: Client, account: Account, answer: bytes
    ):
        server.on("/acct/1", answer)
        server.on("/new-account", reply(200, {"status": "valid"}, location="/acct/1"))

        assert client.account(account) == account
        assert only(server, "/new-account") == {"onlyReturnExisting": True}

    @pytest.mark.parametrize("answer", [problem(403, "unauthorized"), problem(400, "accountDoesNotExist"), reply(500)])
    def test_other_refusals_are_told(self, server: LoopbackServer, client: Client, account: Account, answer: bytes):
        server.on("/acct/1", answer)
        with pytest.raises(ProblemError):
            client.account(account)
        assert server.asked("/new-account") == []

    @pytest.mark.parametrize("contact", [["mailto:b@example.com"], []])
    def test_contacts_are_replaced_also_by_none(
        self, server: LoopbackServer, client: Client, account: Account, contact: list[str]
    ):
        server.on("/acct/1", reply(200, {"status": "valid", "contact": contact, "orders": "/orders/1"}))

        updated = client.update_account(replace(account, contact=("mailto:a@example.com",)), contact=contact)

        assert only(server, "/acct/1") == {"contact": contact}
        assert (updated.url, updated.contact) == (account.url, tuple(contact))

    def test_changed_terms_are_agreed_to_and_the_contacts_stay(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/acct/1", reply(200))
        known = replace(account, contact=("mailto:a@example.com",), terms_of_service_agreed=None)

        updated = client.update_account(known, terms_of_service_agreed=True)

        assert only(server, "/acct/1") == {"termsOfServiceAgreed": True}
        assert updated == replace(known, terms_of_service_agreed=True)

    def test_an_empty_answer_to_an_update_loses_nothing(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/acct/1", reply(200))
        known = replace(account, orders=f"{server.url}/orders/1", contact=("mailto:a@example.com",))

        assert client.update_account(known, contact=["tel:1"]) == replace(known, contact=("tel:1",))
        assert client.deactivate_account(known) == replace(known, status="deactivated")

    def test_bad_contacts_are_not_sent(self, server: LoopbackServer, client: Client, account: Account, key: SigningKey):
        with pytest.raises(InputError):
            client.update_account(account, contact=["a@example.com"])
        with pytest.raises(InputError):
            client.new_account(key, contact=["a@example.com"])
        assert server.requests == []

    def test_an_account_is_deactivated(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/acct/1", reply(200, {"status": "deactivated"}))

        assert client.deactivate_account(account).status == "deactivated"
        assert only(server, "/acct/1") == {"status": "deactivated"}

    @pytest.mark.parametrize("told", [problem(401, "unauthorized"), reply(200, {"status": "deactivated"})])
    def test_a_lost_answer_to_deactivation_is_cleared_up(
        self, server: LoopbackServer, client: Client, account: Account, told: bytes
    ):
        server.on("/acct/1", lose, told)

        assert client.deactivate_account(account).status == "deactivated"

    @pytest.mark.parametrize(
        ("told", "error"), [(reply(200, {"status": "valid"}), LostAnswer), (problem(400, "rateLimited"), ProblemError)]
    )
    def test_a_lost_deactivation_is_told(
        self, server: LoopbackServer, client: Client, account: Account, told: bytes, error: type[AcmeError]
    ):
        server.on("/acct/1", lose, told)
        with pytest.raises(error):
            client.deactivate_account(account)


class TestKeyChange:
    def holders(self, server: LoopbackServer, **paths: str) -> None:
        """Answer newAccount by key: the account of `new` and of `old`."""
        by_thumbprint = {NEW_KEY.thumbprint: paths.get("new"), "old": paths.get("old")}

        def answer(sent: Request, peer: Peer) -> None:
            jwk = protected(sent.jws)["jwk"]
            path = by_thumbprint.get(thumbprint(jwk), by_thumbprint["old"])
            peer.send(reply(200, {}, location=path) if path else problem(400, "accountDoesNotExist"))

        server.on("/new-account", answer)

    def test_the_new_key_signs_inside_and_the_old_one_outside(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/key-change", reply(200))

        changed = client.change_key(account, NEW_KEY)

        assert changed == replace(account, key=NEW_KEY)
        (sent,) = server.asked("/key-change")
        assert protected(sent.jws)["kid"] == account.url
        inner = payload(sent)
        assert inner is not None
        assert protected(inner) == {"alg": "ES256", "jwk": NEW_KEY.jwk, "url": f"{server.url}/key-change"}
        assert json.loads(b64decode(inner["payload"])) == {"account": account.url, "oldKey": account.key.jwk}

    def test_the_key_it_has_is_no_new_key(self, server: LoopbackServer, client: Client, account: Account):
        with pytest.raises(InputError, match="the new key is the account's already"):
            client.change_key(account, SigningKey(P256))
        assert server.requests == []

    def test_a_success_that_is_none_is_told(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/key-change", reply(200))  # Pebble, if the new key is another account's
        self.holders(server, old="/acct/1", new="/acct/2")

        with pytest.raises(KeyChangeError, match=r"keeps its old key: the server said that it changed") as caught:
            client.change_key(account, NEW_KEY)
        assert caught.value.holds is account.key

    def test_a_success_that_cannot_be_confirmed_is_believed(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/key-change", reply(200))
        server.on("/new-account", lose)

        assert client.change_key(account, NEW_KEY) == replace(account, key=NEW_KEY)

    @pytest.mark.parametrize("answer", [lose, reply(500), reply(504, "<html>"), problem(400, "malformed")])
    def test_an_ambiguous_answer_is_cleared_up_if_the_new_key_holds(
        self, server: LoopbackServer, client: Client, account: Account, answer: Answer
    ):
        server.on("/key-change", answer)
        self.holders(server, new="/acct/1")

        changed = client.change_key(account, NEW_KEY)

        assert (changed.url, changed.key) == (account.url, NEW_KEY)
        assert len(server.asked("/key-change")) == 1

    @pytest.mark.parametrize("answer", [lose, reply(500), problem(501, "rejectedIdentifier")])
    def test_an_ambiguous_answer_is_cleared_up_if_the_old_key_holds(
        self, server: LoopbackServer, client: Client, account: Account, answer: Answer
    ):
        server.on("/key-change", answer)
        self.holders(server, old="/acct/1")

        with pytest.raises(KeyChangeError, match=f"^{account.url}: the account keeps its old key: ") as caught:
            client.change_key(account, NEW_KEY)
        assert caught.value.holds is account.key

    def test_a_plain_refusal_comes_out_as_it_is(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/key-change", problem(409, "conflict", location="/acct/2"))
        self.holders(server, old="/acct/1", new="/acct/2")

        with pytest.raises(Conflict) as caught:
            client.change_key(account, NEW_KEY)
        assert caught.value.location == f"{server.url}/acct/2"

    @pytest.mark.parametrize("elsewhere", [{}, {"new": "/acct/2", "old": "/acct/3"}])
    def test_an_account_that_answers_to_neither_key_is_told(
        self, server: LoopbackServer, client: Client, account: Account, elsewhere: dict[str, str]
    ):
        server.on("/key-change", lose)
        self.holders(server, **elsewhere)

        with pytest.raises(KeyChangeError, match="the account answers to neither key") as caught:
            client.change_key(account, NEW_KEY)
        assert caught.value.holds is None

    def test_if_nobody_can_be_asked_both_keys_are_to_be_kept(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/key-change", lose)
        server.on("/new-account", lose)

        with pytest.raises(KeyChangeError, match="the account may hold either key; keep both: ") as caught:
            client.change_key(account, NEW_KEY)
        assert caught.value.holds is None

    def test_a_cancellation_is_one_also_while_asking(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/key-change", lose)
        server.on("/new-account", lambda _, peer: peer.hang())

        with pytest.raises(DeadlineExceeded):
            client.change_key(account, NEW_KEY, scope=CancelScope(0.3))

    def test_a_server_that_offers_none_is_told(self, server: LoopbackServer, transport: Transport, account: Account):
        with pytest.raises(UnsupportedError, match="does not offer 'keyChange'"):
            Client(server.acme(), transport=transport).change_key(account, NEW_KEY)


class TestLists:
    def test_orders_are_listed_page_by_page(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/orders/1", reply(200, {"orders": ["/order/1", "/order/2"]}, link='</orders/2>;rel="next"'))
        server.on("/orders/2", reply(200, ["/order/3"], link=['</dir>;rel="index"', "<1>; rel=next"]))
        listing = client.orders(replace(account, orders=f"{server.url}/orders/1"))

        assert next(listing) == f"{server.url}/order/1"
        assert server.asked("/orders/2") == []
        assert list(listing) == [f"{server.url}/order/2", f"{server.url}/order/3"]

    def test_pages_that_link_in_a_circle_end(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/orders/1", reply(200, {"orders": []}, link='</orders/1>;rel="next"'))

        assert list(client.orders(replace(account, orders=f"{server.url}/orders/1"))) == []

    def test_pages_without_end_are_cut(self, server: LoopbackServer, client: Client, account: Account, monkeypatch):
        monkeypatch.setattr("acmez.acme.signed._MAX_PAGES", 3)
        for page in range(5):
            server.on(f"/orders/{page}", reply(200, [f"/order/{page}"], link=f'</orders/{page + 1}>;rel="next"'))

        assert len(list(client.orders(replace(account, orders=f"{server.url}/orders/0")))) == 3

    def test_a_server_without_lists_is_told(self, client: Client, account: Account):
        with pytest.raises(UnsupportedError, match=f"^{account.url}: the server keeps no list of orders$"):
            list(client.orders(account))
        with pytest.raises(UnsupportedError, match=r"no list of delegations$"):
            list(client.delegations(account))

    def test_delegations_are_listed_and_fetched(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/delegations", reply(200, {"delegations": ["/delegation/1"]}))
        server.on("/delegation/1", reply(200, {"csr-template": {"keyTypes": []}, "cname-map": {"a.": "b."}}))

        (url,) = client.delegations(replace(account, delegations=f"{server.url}/delegations"))
        delegation = client.delegation(account, url)

        assert (delegation.url, delegation.cname_map) == (f"{server.url}/delegation/1", {"a.": "b."})


class TestOrders:
    def test_an_order_is_made(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/new-order", reply(201, {"status": "pending", "finalize": "/finalize/1"}, location="/order/1"))

        order = client.new_order(account, [Identifier.dns("a.example"), Identifier.ip("192.0.2.1")])

        assert only(server, "/new-order") == {
            "identifiers": [{"type": "dns", "value": "a.example"}, {"type": "ip", "value": "192.0.2.1"}]
        }
        assert order == Order(f"{server.url}/order/1", "pending", finalize=f"{server.url}/finalize/1")

    def test_everything_can_be_asked_for(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/new-order", reply(201, {}, location="/order/1"))
        now = datetime(2026, 11, 24, tzinfo=UTC)

        client.new_order(
            account,
            [Identifier.dns("a.example")],
            not_before=now,
            not_after=now + timedelta(days=7),
            replaces="aki.serial",
            profile="shortlived",
            delegation=f"{server.url}/delegation/1",
            allow_certificate_get=True,
        )
        client.new_order(account, [Identifier.dns("a.example")], auto_renewal=AutoRenewal(now, timedelta(days=1)))

        first, second = (payload(sent) for sent in server.asked("/new-order"))
        assert first is not None
        assert set(first) == {
            "identifiers",
            "notBefore",
            "notAfter",
            "replaces",
            "profile",
            "delegation",
            "allow-certificate-get",
        }
        assert second is not None
        assert second["auto-renewal"] == {"end-date": "2026-11-24T00:00:00Z", "lifetime": 86400}

    def test_an_order_is_not_made_twice(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/new-order", lose)

        with pytest.raises(LostAnswer):
            client.new_order(account, [Identifier.dns("a.example")])
        assert len(server.asked("/new-order")) == 1

    def test_an_answer_that_told_at_least_the_url_is_not_lost(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/new-order", lose_body("/order/1"))
        server.on("/order/1", reply(200, {"status": "pending"}))

        assert client.new_order(account, [Identifier.dns("a.example")]) == Order(f"{server.url}/order/1", "pending")
        assert len(server.asked("/new-order")) == 1

    @pytest.mark.parametrize("location", ["/ord", "ftp://a/"])
    def test_a_location_that_was_cut_short_leaves_the_answer_lost(
        self, server: LoopbackServer, client: Client, account: Account, location: str
    ):
        server.on("/new-order", lose_body(location))

        with pytest.raises(LostAnswer):
            client.new_order(account, [Identifier.dns("a.example")])

    def test_an_answer_that_cannot_be_read_but_for_its_url_is_looked_up(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/new-order", reply(201, "<html>", location="/order/1"), reply(200, "<html>"))
        server.on("/order/1", reply(200, {"status": "pending"}))

        assert client.new_order(account, [Identifier.dns("a.example")]) == Order(f"{server.url}/order/1", "pending")
        with pytest.raises(MalformedAnswer):
            client.new_order(account, [Identifier.dns("a.example")])

    def test_a_lost_nonce_does_not_look_like_a_lost_order(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/nonce", lose)
        with pytest.raises(AcmeError) as caught:
            client.new_order(account, [Identifier.dns("a.example")])
        assert not isinstance(caught.value, LostAnswer)

    def test_an_order_is_fetched(self, server: LoopbackServer, client: Client, account: Account, order: Order):
        server.on("/order/1", reply(200, {"status": "ready", "finalize": "/finalize/1"}))

        assert client.order(account, order.url) == order
        assert only(server, "/order/1") is None

    def test_an_order_is_polled_until_it_is_where_it_was_waited_for(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        server.on("/order/1", reply(200, {"status": "processing"}), reply(500), lose, reply(200, {"status": "valid"}))

        assert client.poll_order(account, order, until={"valid"}, polling=QUICK).status == "valid"
        assert len(server.asked("/order/1")) == 4

    def test_an_order_that_fails_tells_why(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        error = {"type": "urn:ietf:params:acme:error:caa", "detail": "forbidden by CAA"}
        server.on("/order/1", reply(200, {"status": "invalid", "error": error}))

        with pytest.raises(StateError, match=r"is 'invalid': caa: forbidden by CAA$"):
            client.poll_order(account, order, until={"valid"})

    def test_an_order_is_finalized_and_keeps_its_url(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        server.on("/finalize/1", reply(200, {"status": "processing"}, retry_after="3"))

        finalized = client.finalize(account, order, request("a.example"))

        assert (finalized.url, finalized.status, finalized.retry_after) == (order.url, "processing", 3.0)
        sent = only(server, "/finalize/1")
        assert sent is not None
        assert "=" not in sent["csr"]
        assert b64decode(sent["csr"]) == request("a.example").public_bytes(Encoding.DER)

    def test_finalizing_may_send_more_or_no_request(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        server.on("/finalize/1", reply(200, {"status": "valid"}))

        client.finalize(account, order, None, extra={"onionCAA": {}})

        assert only(server, "/finalize/1") == {"onionCAA": {}}

    @pytest.mark.parametrize(("answer", "error"), [(lose, LostAnswer), (problem(403, "orderNotReady"), OrderNotReady)])
    def test_finalizing_is_not_repeated(
        self, server: LoopbackServer, client: Client, account: Account, order: Order, answer: Answer, error
    ):
        server.on("/finalize/1", answer)
        with pytest.raises(error):
            client.finalize(account, order, request("a.example"))
        assert len(server.asked("/finalize/1")) == 1

    def test_a_request_for_the_accounts_own_key_is_not_sent(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        own = replace(account, key=SigningKey(key("a.example")))
        with pytest.raises(InputError, match="the certificate request is for the account's key"):
            client.finalize(own, order, request("a.example"))
        assert server.requests == []

    def test_an_order_without_finalize_url_cannot_be_finalized(self, client: Client, account: Account, order: Order):
        with pytest.raises(MalformedAnswer, match="the order has no finalize URL"):
            client.finalize(account, replace(order, finalize=""), request("a.example"))

    def test_automatic_renewal_is_cancelled(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        server.on("/order/1", reply(200, {"status": "canceled"}))

        assert client.cancel_auto_renewal(account, order).status == "canceled"
        assert only(server, "/order/1") == {"status": "canceled"}

    def test_a_lost_answer_to_cancelling_is_cleared_up(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        server.on("/order/1", lose, reply(200, {"status": "canceled"}))
        assert client.cancel_auto_renewal(account, order).status == "canceled"

        server.on("/order/1", lose, reply(200, {"status": "valid"}))
        with pytest.raises(LostAnswer):
            client.cancel_auto_renewal(account, order)


AUTHORIZATION: Raw = {
    "status": "pending",
    "identifier": {"type": "dns", "value": "a.example"},
    "challenges": [{"type": "http-01", "url": "/chall/1", "token": "dG9rZW4", "status": "pending"}],
}


class TestAuthorizations:
    def test_one_can_be_asked_for_before_any_order(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/new-authz", reply(201, AUTHORIZATION, location="/authz/1"))

        authorization = client.new_authorization(account, Identifier.dns("a.example"))

        assert only(server, "/new-authz") == {"identifier": {"type": "dns", "value": "a.example"}}
        assert authorization.url == f"{server.url}/authz/1"
        assert authorization.challenges[0].url == f"{server.url}/chall/1"

    def test_one_for_subdomains_can_be_asked_for(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/new-authz", reply(201, AUTHORIZATION, location="/authz/1"))

        client.new_authorization(account, Identifier.dns("example.org"), subdomain_auth_allowed=True)

        # RFC 9444 §4.2
        identifier = {"type": "dns", "value": "example.org", "subdomainAuthAllowed": True}
        assert only(server, "/new-authz") == {"identifier": identifier}

    def test_an_answer_that_told_at_least_the_url_is_not_lost(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/new-authz", lose_body("/authz/1"), lose)
        server.on("/authz/1", reply(200, AUTHORIZATION))

        assert client.new_authorization(account, Identifier.dns("a.example")).url == f"{server.url}/authz/1"
        with pytest.raises(LostAnswer):
            client.new_authorization(account, Identifier.dns("a.example"))

    @pytest.mark.parametrize("new", [True, False])
    def test_their_challenges_know_what_the_directory_says_of_the_server(
        self, server: LoopbackServer, client: Client, account: Account, *, new: bool
    ):
        """So that whoever answers needs nothing else, as with dns-persist-01."""
        offered = {"type": "dns-persist-01", "url": "/chall/1", "issuerDomainNames": ["ca.example"]}
        told = {**AUTHORIZATION, "challenges": [offered]}
        meta = {"accountHashPrefix": "https://ca.example/account-hash/"}
        paths = {"newNonce": NONCES, "newAccount": "/new-account", "newOrder": "/new-order", **ENDPOINTS}
        server.on("/directory", reply(200, {"meta": meta} | {name: server.url + path for name, path in paths.items()}))
        server.on("/new-authz", reply(201, told, location="/authz/1"))
        server.on("/authz/1", reply(200, told))

        authorization = (
            client.new_authorization(account, Identifier.dns("a.example"))
            if new
            else client.authorization(account, f"{server.url}/authz/1")
        )

        value = txt_record(authorization.challenges[0]).value
        assert value.startswith("ca.example; accounturi=https://ca.example/account-hash/sha-256/")

    def test_a_server_that_offers_none_is_told(self, server: LoopbackServer, transport: Transport, account: Account):
        with pytest.raises(UnsupportedError, match="does not offer 'newAuthz'"):
            Client(server.acme(), transport=transport).new_authorization(account, Identifier.dns("a.example"))

    def test_one_is_polled_until_it_is_valid(self, server: LoopbackServer, client: Client, account: Account):
        url = f"{server.url}/authz/1"
        server.on("/authz/1", reply(200, AUTHORIZATION), reply(200, {**AUTHORIZATION, "status": "valid"}))

        authorization = client.poll_authorization(account, client.authorization(account, url), polling=QUICK)

        assert authorization.status == "valid"
        assert [payload(sent) for sent in server.asked("/authz/1")] == [None, None]

    def test_one_that_fails_tells_why(self, server: LoopbackServer, client: Client, account: Account):
        challenge = {"type": "http-01", "error": {"type": "urn:ietf:params:acme:error:connection", "detail": "refused"}}
        server.on("/authz/1", reply(200, {**AUTHORIZATION, "status": "invalid", "challenges": [challenge]}))
        authorization = client.authorization(account, f"{server.url}/authz/1")

        with pytest.raises(StateError, match=r"is 'invalid': connection: refused$"):
            client.poll_authorization(account, authorization)

    def test_one_is_given_up(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/authz/1", reply(200, {**AUTHORIZATION, "status": "deactivated"}))

        assert client.deactivate_authorization(account, f"{server.url}/authz/1").status == "deactivated"
        assert only(server, "/authz/1") == {"status": "deactivated"}

    def test_a_lost_answer_to_giving_up_is_cleared_up(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/authz/1", lose, reply(200, {**AUTHORIZATION, "status": "deactivated"}))
        assert client.deactivate_authorization(account, f"{server.url}/authz/1").status == "deactivated"

        server.on("/authz/1", lose, reply(200, AUTHORIZATION))
        with pytest.raises(LostAnswer):
            client.deactivate_authorization(account, f"{server.url}/authz/1")


class TestChallenges:
    @pytest.fixture
    def challenge(self, server: LoopbackServer) -> Challenge:
        return Challenge("http-01", f"{server.url}/chall/1", "pending", Identifier.dns("a.example"), token="dG9rZW4")

    @pytest.mark.parametrize(("given", "sent"), [(None, {}), ({}, {}), ({"attObj": "AA"}, {"attObj": "AA"})])
    def test_the_server_is_told_to_look(
        self,
        server: LoopbackServer,
        client: Client,
        account: Account,
        challenge: Challenge,
        given: JSONObject | None,
        sent: JSONObject,
    ):
        server.on("/chall/1", reply(200, {"status": "processing"}, link='</authz/1>;rel="up"'))

        assert client.respond(account, challenge, given).status == "processing"
        assert only(server, "/chall/1") == sent

    @pytest.mark.parametrize(("answer", "error"), [(lose, LostAnswer), (problem(409, "conflict"), Conflict)])
    def test_it_is_told_once(
        self, server: LoopbackServer, client: Client, account: Account, challenge: Challenge, answer: Answer, error
    ):
        server.on("/chall/1", answer)
        with pytest.raises(error):
            client.respond(account, challenge)
        assert len(server.asked("/chall/1")) == 1

    def test_a_challenge_without_url_cannot_be_answered(self, client: Client, account: Account, challenge: Challenge):
        with pytest.raises(MalformedAnswer, match=r"a.example by http-01: the challenge has no URL$"):
            client.respond(account, replace(challenge, url=""))


class TestCertificates:
    @pytest.fixture
    def chain(self, server: LoopbackServer) -> Chain:
        return Chain(f"{server.url}/cert/1", pem("leaf", "a"), (f"{server.url}/cert/1/1", f"{server.url}/cert/1/2"))

    def test_a_chain_is_downloaded(self, server: LoopbackServer, client: Client, account: Account, chain: Chain):
        links = ['<1/1>;rel="alternate"', '</cert/1/2>;rel="alternate"']
        server.on("/cert/1", reply(200, chain.pem, content_type="application/pem-certificate-chain", link=links))

        assert client.certificate(account, chain.url) == chain
        (sent,) = server.asked("/cert/1")
        assert sent.headers["accept"] == "application/pem-certificate-chain"
        assert payload(sent) is None

    def test_other_chains_are_downloaded_when_they_are_asked_for(
        self, server: LoopbackServer, client: Client, account: Account, chain: Chain
    ):
        server.on("/cert/1/1", reply(200, pem("leaf", "b")))
        server.on("/cert/1/2", reply(200, pem("leaf", "c")))

        others: Iterator[Chain] = client.alternates(account, chain)

        assert server.requests == []
        assert next(others).certificates[1] == certificate("b")
        assert server.asked("/cert/1/2") == []
        assert [other.certificates[1] for other in others] == [certificate("c")]

    @pytest.mark.parametrize(
        "answer",
        [lose, reply(500), problem(404, "malformed"), reply(200, "<html>"), reply(200, pem("another", "b"))],
        ids=["lost", "500", "404", "html", "another leaf"],
    )
    def test_another_chain_that_cannot_be_had_loses_nothing(
        self, server: LoopbackServer, client: Client, account: Account, chain: Chain, answer: Answer
    ):
        server.on("/cert/1/1", answer)
        server.on("/cert/1/2", reply(200, pem("leaf", "c")))

        assert [other.certificates[1] for other in client.alternates(account, chain)] == [certificate("c")]

    def test_a_cancellation_ends_the_search_for_chains(self, client: Client, account: Account, chain: Chain):
        scope = CancelScope()
        scope.cancel()
        with pytest.raises(Cancelled):
            list(client.alternates(account, chain, scope=scope))

    def test_a_star_certificate_is_downloaded(
        self, server: LoopbackServer, client: Client, account: Account, order: Order
    ):
        star = replace(order, star_certificate=f"{server.url}/star/1")
        server.on("/star/1", reply(200, pem("leaf"), cert_not_before="Thu, 10 Jan 2019 00:00:00 GMT"))

        assert client.star_certificate(account, star).not_before == datetime(2019, 1, 10, tzinfo=UTC)
        assert client.star_certificate(None, star).leaf == certificate("leaf")
        assert [sent.method for sent in server.asked("/star/1")] == ["POST", "GET"]

    def test_an_order_without_star_certificate_is_told(self, client: Client, account: Account, order: Order):
        with pytest.raises(InputError, match="the order has no star-certificate"):
            client.star_certificate(account, order)


class TestRevocation:
    def test_an_account_revokes(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/revoke", reply(200))

        client.revoke(account, certificate("leaf"))

        (sent,) = server.asked("/revoke")
        assert protected(sent.jws)["kid"] == account.url
        body = payload(sent)
        assert body is not None
        assert set(body) == {"certificate"}
        assert x509.load_der_x509_certificate(b64decode(body["certificate"])) == certificate("leaf")

    def test_a_certificates_own_key_revokes(self, server: LoopbackServer, client: Client):
        server.on("/revoke", reply(200))
        own = SigningKey(key("leaf"))

        client.revoke(own, certificate("leaf"), reason=RevocationReason.KEY_COMPROMISE)

        (sent,) = server.asked("/revoke")
        assert protected(sent.jws)["jwk"] == own.jwk
        body = payload(sent)
        assert body is not None
        assert body["reason"] == 1

    def test_the_reason_unspecified_is_sent_if_it_is_given(
        self, server: LoopbackServer, client: Client, account: Account
    ):
        server.on("/revoke", reply(200))
        client.revoke(account, certificate("leaf"), reason=RevocationReason.UNSPECIFIED)

        body = only(server, "/revoke")
        assert body is not None
        assert body["reason"] == 0

    def test_what_is_revoked_already_is_revoked(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/revoke", lose, problem(400, "alreadyRevoked"))

        client.revoke(account, certificate("leaf"))

        assert len(server.asked("/revoke")) == 2

    def test_other_refusals_are_told(self, server: LoopbackServer, client: Client, account: Account):
        server.on("/revoke", problem(403, "unauthorized"))
        with pytest.raises(ProblemError):
            client.revoke(account, certificate("leaf"))


class TestRenewalInformation:
    @pytest.mark.parametrize("base", ["/renewal-info", "/renewal-info/"])
    def test_it_is_asked_for_by_certificate_or_id(self, server: LoopbackServer, transport: Transport, base: str):
        client = Client(server.acme(renewalInfo=base), transport=transport)
        name = certificate_id(certificate("leaf"))
        window = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
        server.on(f"/renewal-info/{name}", reply(200, {"suggestedWindow": window}, retry_after="3600"))

        info = client.renewal_info(certificate("leaf"))

        assert (info.start, info.retry_after) == (datetime(2026, 1, 1, tzinfo=UTC), 3600.0)
        assert client.renewal_info(name) == info
        assert {sent.method for sent in server.asked(f"/renewal-info/{name}")} == {"GET"}

    @pytest.mark.parametrize("name", ["", "aki", "aki.", ".serial", "a/b.c", "a.b.c", "../x.y"])
    def test_what_is_no_certificate_id_is_not_sent(self, server: LoopbackServer, client: Client, name: str):
        with pytest.raises(InputError, match="not the id of a certificate"):
            client.renewal_info(name)
        assert server.requests == []

    def test_information_that_makes_no_sense_is_not_asked_for_again(self, server: LoopbackServer, client: Client):
        name = certificate_id(certificate("leaf"))
        server.on(f"/renewal-info/{name}", reply(200, {"suggestedWindow": {}}))

        with pytest.raises(MalformedAnswer):
            client.renewal_info(name)
        assert len(server.asked(f"/renewal-info/{name}")) == 1

    def test_a_server_that_offers_none_is_told(self, server: LoopbackServer, transport: Transport):
        with pytest.raises(UnsupportedError, match="does not offer 'renewalInfo'"):
            Client(server.acme(), transport=transport).renewal_info(certificate("leaf"))
