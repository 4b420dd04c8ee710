from __future__ import annotations

import pytest

from .raw import Raw, b64, jwk_of, jws, mac_jws, new_key

SECRET = b"s" * 32
ACCOUNTS = {"kid-1": b64(SECRET)}


@pytest.fixture
def stranger(start):
    """A client without an account, of a CA with these fields of Behaviour."""
    made = []

    def stranger(**fields: object):
        made.append(Raw(start(**fields)))
        return made[-1]

    yield stranger
    for raw in made:
        raw.close()


def test_a_new_account_has_a_location_and_is_found_again_by_its_key(stranger):
    raw = stranger()
    created = raw.register(contact=["mailto:a@example.com"])
    assert created.status == 201
    assert created.json["status"] == "valid"
    assert created.json["contact"] == ["mailto:a@example.com"]
    again = Raw(raw.ca, key=raw.key)
    found = again.post(again.directory["newAccount"], {"onlyReturnExisting": True})
    again.close()
    assert (found.status, found.headers["Location"], found.json) == (200, raw.kid, created.json)
    assert len(raw.ca.accounts) == 1


def test_a_key_without_account_is_not_found(stranger):
    raw = stranger()
    reply = raw.post(raw.directory["newAccount"], {"onlyReturnExisting": True})
    assert (reply.status, reply.problem) == (400, "accountDoesNotExist")


def test_the_terms_have_to_be_agreed_to(stranger):
    raw = stranger(terms_of_service="https://example.com/terms")
    reply = raw.post(raw.directory["newAccount"], {"termsOfServiceAgreed": False})
    assert (reply.status, reply.problem) == (403, "userActionRequired")
    assert reply.links("terms-of-service") == [reply.json["instance"]] == ["https://example.com/terms"]
    assert raw.register().status == 201


def test_without_terms_there_is_nothing_to_agree_to(stranger):
    raw = stranger(terms_of_service=None)
    assert raw.post(raw.directory["newAccount"], {"contact": ["mailto:a@example.com"]}).status == 201


def test_changed_terms_have_to_be_agreed_to_before_the_next_order(client):
    raw = client()
    raw.ca.change_terms("https://example.com/terms/2")
    reply = raw.new_order("example.com")
    assert (reply.problem, reply.json["instance"]) == ("userActionRequired", "https://example.com/terms/2")
    assert raw.post(raw.kid, {"termsOfServiceAgreed": True}).status == 200
    assert raw.new_order("example.com").status == 201


@pytest.mark.parametrize(
    ("contact", "problem"),
    [
        (["tel:+123"], "unsupportedContact"),
        (["mailto:nobody"], "invalidContact"),
        (["mailto:a@example.com,b@example.com"], "invalidContact"),
        (["mailto:a@example.com?subject=x"], "invalidContact"),
        (["mailto:a@example.com"] * 3, "invalidContact"),
    ],
)
def test_a_contact_is_a_plain_mail_address(stranger, contact, problem):
    assert stranger(max_contacts=2).register(contact=contact).problem == problem


def test_an_account_can_be_read_and_its_contact_changed_and_removed(client):
    raw = client()
    assert raw.post(raw.kid).json["status"] == "valid"
    assert raw.post(raw.kid, {"contact": ["mailto:b@example.com"]}).json["contact"] == ["mailto:b@example.com"]
    assert "contact" not in raw.post(raw.kid, {"contact": []}).json


@pytest.mark.parametrize("payload", [{}, {"status": "valid"}, {"orders": "x"}])
def test_an_update_that_changes_nothing_sensible_is_malformed(client, payload):
    raw = client()
    assert raw.post(raw.kid, payload).problem == "malformed"


def test_an_update_with_the_whole_account_can_be_accepted(client):
    raw = client(refuse_unknown_members=False)
    whole = raw.post(raw.kid).json | {"contact": ["mailto:b@example.com"]}
    assert raw.post(raw.kid, whole).json == whole
    assert raw.post(raw.kid, whole | {"status": "revoked"}).problem == "malformed"


def test_a_deactivated_account_can_do_nothing_more(client):
    raw = client()
    assert raw.post(raw.kid, {"status": "deactivated"}).json["status"] == "deactivated"
    reply = raw.new_order("example.com")
    assert (reply.status, reply.problem) == (403, "unauthorized")
    raw.kid = ""
    assert raw.register().problem == "unauthorized"


def test_the_orders_list_comes_in_pages(client):
    raw = client(orders_per_page=2)
    urls = [raw.order(f"{i}.example.com")[0] for i in range(5)]
    pages, found = [f"{raw.kid}/orders"], []
    for page in pages:
        reply = raw.post(page)
        found.append(reply.json["orders"])
        pages += reply.links("next")
    assert found == [urls[:2], urls[2:4], urls[4:]]


def test_the_orders_list_can_be_a_bare_array(client):
    raw = client(orders_as_array=True)
    url, _ = raw.order("example.com")
    assert raw.post(raw.post(raw.kid).json["orders"]).json == [url]


class TestExternalAccounts:
    def binding(self, raw, secret=SECRET, payload=None, **changes: object):
        header = {"alg": "HS256", "kid": "kid-1", "url": raw.directory["newAccount"], **changes}
        header = {name: value for name, value in header.items() if value is not None}
        return mac_jws(secret, header, jwk_of(raw.key) if payload is None else payload)

    def test_one_is_required_and_the_directory_says_so(self, stranger):
        raw = stranger(external_accounts=ACCOUNTS)
        assert raw.directory["meta"]["externalAccountRequired"] is True
        reply = raw.register()
        assert (reply.status, reply.problem) == (403, "externalAccountRequired")

    @pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
    def test_a_binding_is_accepted_and_shown(self, stranger, alg):
        raw = stranger(external_accounts=ACCOUNTS)
        binding = self.binding(raw, alg=alg)
        reply = raw.register(externalAccountBinding=binding)
        assert (reply.status, reply.json["externalAccountBinding"]) == (201, binding)

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"secret": b"wrong"}, "unauthorized"),
            ({"kid": "kid-2"}, "unauthorized"),
            ({"alg": "ES256"}, "badSignatureAlgorithm"),
            ({"alg": "none"}, "badSignatureAlgorithm"),
            ({"url": "https://localhost/other"}, "malformed"),
            ({"nonce": "AAAA"}, "malformed"),
            ({"kid": None}, "malformed"),
            ({"payload": jwk_of(new_key())}, "malformed"),
            ({"payload": ""}, "malformed"),
        ],
    )
    def test_a_wrong_binding_is_refused(self, stranger, changes, problem):
        raw = stranger(external_accounts=ACCOUNTS)
        assert raw.register(externalAccountBinding=self.binding(raw, **changes)).problem == problem
        assert raw.ca.accounts == ()

    def test_the_secret_is_in_no_repr(self, stranger):
        raw = stranger(external_accounts=ACCOUNTS)
        assert b64(SECRET) not in repr(raw.ca.behaviour)


class TestKeyChange:
    def change(self, raw, key, *, signer=None, payload=None, **header: object):
        url = raw.directory["keyChange"]
        inner_header = {"alg": "ES256", "jwk": jwk_of(key), "url": url, **header}
        inner = {"account": raw.kid, "oldKey": jwk_of(raw.key), **(payload or {})}
        return raw.post(url, jws(signer or key, inner_header, inner))

    def test_the_new_key_signs_from_then_on(self, client):
        raw, key = client(), new_key()
        assert self.change(raw, key).status == 200
        assert raw.post(raw.kid).problem == "malformed"
        raw.key = key
        assert raw.post(raw.kid).status == 200

    def test_the_old_key_is_free_again(self, client):
        raw, key = client(), new_key()
        old = raw.key
        self.change(raw, key)
        raw.kid, raw.key = "", old
        assert raw.post(raw.directory["newAccount"], {"onlyReturnExisting": True}).problem == "accountDoesNotExist"

    def test_a_key_in_use_is_a_conflict_that_names_its_account(self, client):
        raw = client()
        other = client(raw.ca)
        reply = self.change(raw, other.key)
        assert (reply.status, reply.headers["Location"]) == (409, other.kid)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"signer": new_key()},
            {"nonce": "AAAA"},
            {"url": "https://localhost/other"},
            {"payload": {"account": "https://localhost/account/0"}},
            {"payload": {"oldKey": jwk_of(new_key())}},
            {"payload": {"newKey": 1}},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_a_wrong_inner_jws_is_malformed_and_changes_nothing(self, client, wrong):
        raw = client()
        assert self.change(raw, new_key(), **wrong).problem == "malformed"
        assert raw.post(raw.kid).status == 200
