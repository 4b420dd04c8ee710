"""What a request has to be before anybody looks at what it wants (RFC 8555 §6)."""

from __future__ import annotations

import json

import pytest
from acmez_testkit import EmbeddedCA
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .raw import Raw, b64, jwk_of, jws, mac_jws, new_key


@pytest.fixture
def raw(client):
    return client()


def order_url(raw: Raw) -> str:
    return raw.order("example.com")[0]


@pytest.mark.parametrize(
    "content_type", ["application/jose+json; charset=utf-8", "application/json", "Application/JOSE+JSON", ""]
)
def test_the_content_type_is_exactly_jose_json(raw, content_type):
    reply = raw.post(order_url(raw), content_type=content_type)
    assert (reply.status, reply.problem) == (415, "malformed")


def test_a_user_agent_is_required(raw):
    assert raw.post(order_url(raw), agent="").status == 400
    assert raw.get(raw.ca.directory_url, agent="").status == 400


@pytest.mark.parametrize("change", [{"header": {"alg": "ES256"}}, {"signatures": []}, {"extra": "x"}])
def test_a_jws_has_no_other_members(raw, change):
    url = order_url(raw)
    body = jws(raw.key, raw.header(url), "") | change
    assert raw.post(url, body=body).problem == "malformed"


@pytest.mark.parametrize("missing", ["protected", "payload", "signature"])
def test_a_jws_has_all_three_members(raw, missing):
    url = order_url(raw)
    body = jws(raw.key, raw.header(url), "")
    del body[missing]
    assert raw.post(url, body=body).problem == "malformed"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'"text"', b"[" * 20000, b'{"a": NaN}', "{}".encode("utf-16")]
)
def test_a_body_that_is_no_json_object_is_malformed(raw, body):
    assert raw.post(order_url(raw), body=body).problem == "malformed"


def test_a_member_that_is_there_twice_is_malformed(raw):
    url = order_url(raw)
    text = json.dumps(jws(raw.key, raw.header(url), ""))
    assert raw.post(url, body=text.replace("{", '{"payload": "", ', 1).encode()).problem == "malformed"


def test_a_protected_header_with_a_member_twice_is_malformed(raw):
    url = order_url(raw)
    header = json.dumps(raw.header(url)).replace("{", '{"alg": "ES256", ', 1)
    body = {"protected": b64(header.encode()), "payload": "", "signature": ""}
    assert "twice" in raw.post(url, body=body).json["detail"]


@pytest.mark.parametrize("text", ["a", "e30=", "e3+/", "e3 0", "e31"])
def test_base64url_is_canonical_and_has_no_padding(raw, text):
    url = order_url(raw)
    reply = raw.post(url, body=jws(raw.key, raw.header(url), "") | {"payload": text})
    assert reply.problem == "malformed"
    assert "base64url" in reply.json["detail"]


def test_the_url_of_the_jws_is_that_of_the_request(raw):
    url = order_url(raw)
    for other in (url + "x", url.replace("localhost", "127.0.0.1"), url + "?a=b", None):
        body = jws(raw.key, raw.header(url) | {"url": other}, "")
        assert raw.post(url, body=body).problem == "malformed"


def test_exactly_one_of_jwk_and_kid_says_who_signed(raw):
    url = order_url(raw)
    assert raw.post(url, jwk=jwk_of(raw.key)).problem == "malformed"
    assert raw.post(url, kid=None).problem == "malformed"
    assert raw.post(url, kid=None, jwk=jwk_of(raw.key)).problem == "malformed"
    assert raw.post(raw.directory["newAccount"], {"termsOfServiceAgreed": True}).problem == "malformed"


@pytest.mark.parametrize("extra", [{"b64": False}, {"crit": ["b64"]}, {"typ": "JOSE"}])
def test_the_protected_header_has_no_other_members(raw, extra):
    assert raw.post(order_url(raw), **extra).problem == "malformed"


def test_a_missing_nonce_is_bad(raw):
    assert raw.post(order_url(raw), nonce=None).problem == "badNonce"


def test_a_nonce_is_good_only_once_and_only_if_it_came_from_here(raw):
    url = order_url(raw)
    nonce = raw.fresh_nonce()
    assert raw.post(url, nonce=nonce).status == 200
    assert raw.post(url, nonce=nonce).problem == "badNonce"
    assert raw.post(url, nonce="AAAAAAAAAAAAAAAAAAAAAA").problem == "badNonce"


def test_the_nonce_of_a_bad_nonce_answer_is_good(raw):
    url = order_url(raw)
    assert raw.post(url, nonce="unknown").problem == "badNonce"
    assert raw.post(url).status == 200


def test_every_answer_to_a_post_has_a_nonce_and_no_other_but_new_nonce(raw):
    errors = [raw.post(order_url(raw), content_type="text/plain"), raw.post(raw.ca.directory_url)]
    nonces = [raw.post(order_url(raw)).headers["Replay-Nonce"], *(e.headers["Replay-Nonce"] for e in errors)]
    assert len(set(nonces)) == 3
    assert raw.get(raw.ca.directory_url).headers["Replay-Nonce"] is None


def test_new_nonce_answers_head_and_get(raw):
    head, get = (raw.get(raw.directory["newNonce"], method) for method in ("HEAD", "GET"))
    assert (head.status, get.status) == (200, 204)
    assert head.headers["Replay-Nonce"] != get.headers["Replay-Nonce"]
    assert get.headers["Cache-Control"] == "no-store"


def test_a_share_of_good_nonces_is_rejected_the_same_way_each_time(start):
    outcomes = []
    for _ in range(2):
        raw = Raw(start(nonce_reject=0.5, seed=3))
        outcomes.append([raw.post(raw.directory["newAccount"], {}).problem for _ in range(40)])
        raw.close()
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {"badNonce", "userActionRequired"}


@pytest.mark.parametrize("alg", ["none", "HS256", "RS512", "PS256", ""])
def test_other_algorithms_are_refused_with_the_list_of_the_good_ones(raw, alg):
    reply = raw.post(order_url(raw), alg=alg)
    assert reply.problem == "badSignatureAlgorithm"
    assert reply.json["algorithms"] == ["RS256", "ES256", "ES384", "ES512", "EdDSA"]


def test_a_mac_made_with_the_public_key_is_refused(raw):
    url = order_url(raw)
    body = mac_jws(json.dumps(jwk_of(raw.key)).encode(), raw.header(url, alg="HS256"), "")
    assert raw.post(url, body=body).problem == "badSignatureAlgorithm"


def test_an_algorithm_that_does_not_fit_the_key_is_refused(raw):
    assert raw.post(order_url(raw), alg="ES384").problem == "badSignatureAlgorithm"


def test_only_the_offered_algorithms_are_accepted(start):
    raw = Raw(start(signature_algorithms=("ES256",)), key=ed25519.Ed25519PrivateKey.generate())
    reply = raw.register()
    raw.close()
    assert (reply.problem, reply.json["algorithms"]) == ("badSignatureAlgorithm", ["ES256"])


def test_a_signature_of_another_key_or_another_payload_is_refused(raw):
    url = order_url(raw)
    assert raw.post(url, body=jws(new_key(), raw.header(url), "")).problem == "malformed"
    body = jws(raw.key, raw.header(url), "") | {"payload": b64(b"{}")}
    assert "signature" in raw.post(url, body=body).json["detail"]


def test_a_der_signature_is_refused(raw):
    url = order_url(raw)
    body = jws(raw.key, raw.header(url), "")
    der = raw.key.sign(f"{body['protected']}.".encode(), ec.ECDSA(hashes.SHA256()))
    assert raw.post(url, body=body | {"signature": b64(der)}).problem == "malformed"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP521R1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["ES256", "ES384", "ES512", "RS256", "EdDSA"],
)
def test_every_kind_of_account_key_can_register_and_sign(start, make):
    raw = Raw(start(), key=make())
    assert raw.register().status == 201
    assert raw.post(raw.kid).status == 200
    raw.close()


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"},
        {"kty": "oct"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"x": b64(b"\1" * 31)},
        {"x": b64(b"\1" * 32)},
        {"y": None},
    ],
    ids=str,
)
def test_a_bad_public_key_is_refused(start, change):
    raw = Raw(start())
    jwk = {name: value for name, value in (jwk_of(raw.key) | change).items() if value is not None}
    assert raw.post(raw.directory["newAccount"], {}, jwk=jwk).problem == "badPublicKey"
    raw.close()


def test_a_short_rsa_key_is_refused(start):
    raw = Raw(start(min_rsa_bits=3072), key=rsa.generate_private_key(65537, 2048))
    assert raw.register().problem == "badPublicKey"
    raw.close()


def test_only_directory_new_nonce_and_renewal_info_can_be_got(raw):
    for url in (order_url(raw), raw.kid, raw.directory["newOrder"], raw.directory["revokeCert"]):
        reply = raw.get(url)
        assert (reply.status, reply.headers["Allow"], reply.problem) == (405, "POST", "malformed")
    assert raw.post(raw.ca.directory_url).status == 405
    assert raw.get(raw.kid, "PUT").status == 405


def test_a_post_as_get_has_the_empty_payload(raw):
    url = order_url(raw)
    assert raw.post(url, {}).problem == "malformed"
    assert raw.post(f"{raw.kid}/orders", {}).problem == "malformed"


def test_a_body_over_the_limit_is_refused_and_the_connection_closed(client):
    raw = client(body_limit=4000)
    reply = raw.post(raw.kid, body=b"x" * 4001)
    assert (reply.status, reply.headers["Connection"], reply.problem) == (413, "close", "malformed")
    assert reply.headers["Replay-Nonce"]
    assert raw.ca.requests[-1].status == 413
    assert raw.post(raw.kid).status == 200


@pytest.mark.parametrize(
    "payload",
    [
        {"identifiers": [{"type": "dns", "value": "example.com"}], "unknown": 1},
        {"identifiers": [{"type": "dns", "value": "example.com"}], "notBefore": None},
        {"identifiers": [{"type": "dns", "value": "example.com"}], "profile": ""},
        {"identifiers": [{"type": "dns", "value": "example.com", "more": 1}]},
        {"identifiers": [{"type": "dns"}]},
        {"identifiers": [{"type": "dns", "value": 1}]},
        {"identifiers": ["example.com"]},
        {"identifiers": []},
        {"identifiers": {}},
        {},
        [],
        "text",
        "",
    ],
    ids=str,
)
def test_a_new_order_with_anything_unknown_null_empty_or_missing_is_malformed(raw, payload):
    assert raw.post(raw.directory["newOrder"], payload).problem == "malformed"


@pytest.mark.parametrize(
    "members",
    [
        {"contact": []},
        {"contact": None},
        {"contact": "mailto:a@example.com"},
        {"onlyReturnExisting": "false"},
        {"termsOfServiceAgreed": 1},
        {"status": "valid"},
        {"externalAccountBinding": {}},
        {"externalAccountBinding": "text"},
    ],
    ids=str,
)
def test_a_new_account_with_anything_unknown_null_empty_or_mistyped_is_malformed(start, members):
    raw = Raw(start())
    assert raw.register(**members).problem == "malformed"
    raw.close()


def test_unknown_and_null_members_can_be_ignored(client, http01):
    raw = client(refuse_unknown_members=False, http_port=http01.port)
    _, order = raw.order("example.com", unknown=1, notBefore=None)
    assert {"unknown", "notBefore"}.isdisjoint(order)
    assert raw.post(raw.directory["newAccount"], {"status": "valid"}, kid=None, jwk=jwk_of(raw.key)).status == 200
    assert raw.post(order["finalize"], {"csr": None}).problem == "malformed"


def test_an_unknown_or_foreign_resource_is_not_shown(client):
    raw = client()
    other = client(raw.ca)
    assert raw.post(f"{raw.ca.directory_url}/more").status == 404
    assert raw.post(order_url(raw) + "0").status == 404
    assert raw.post(order_url(other)).problem == "unauthorized"
    assert raw.post(other.kid).problem == "unauthorized"
    assert raw.post(raw.kid, kid=raw.kid + "0").problem == "accountDoesNotExist"


@pytest.mark.parametrize(
    "path",
    ["//[", "/", "", "/account/1/orders?cursor=x", "/certificate/1/x", "/order/1/" + "9" * 5000, "/%00", "/a?b=c"],
)
def test_a_strange_path_is_not_found(raw, path):
    url = raw.directory["newOrder"].removesuffix("/new-order") + path
    assert raw.send("POST", url, b"{}", {"User-Agent": "x"}).problem == "malformed"


JUNK: tuple[object, ...] = (None, 0, -1.5, "x", "\ud800", [], [1], ["x", {}], {}, {"a": [1]}, "9" * 5000)
MEMBERS = {
    "newAccount": ("contact", "termsOfServiceAgreed", "onlyReturnExisting", "externalAccountBinding"),
    "newOrder": ("identifiers", "notBefore", "notAfter", "replaces", "profile"),
    "newAuthz": ("identifier",),
    "revokeCert": ("certificate", "reason"),
    "keyChange": ("protected", "payload", "signature"),
}


@pytest.mark.parametrize("junk", JUNK, ids=[str(number) for number in range(len(JUNK))])
class TestJunk:
    """What is of the wrong type is refused wherever it is, and breaks nothing."""

    @pytest.mark.parametrize("resource", MEMBERS)
    def test_in_a_payload(self, raw, resource, junk):
        good: dict[str, object] = {}
        if resource == "newOrder":
            good = {"identifiers": [{"type": "dns", "value": "example.com"}]}
        if resource == "newAccount":
            raw.kid, raw.key, good = "", new_key(), {"termsOfServiceAgreed": True}
        for name in MEMBERS[resource]:
            assert 400 <= raw.post(raw.directory[resource], good | {name: junk}).status < 500
        assert 400 <= raw.post(raw.directory[resource], junk).status < 500

    def test_in_a_protected_header(self, raw, junk):
        for name in ("alg", "nonce", "url", "kid", "jwk", "crit"):
            header = raw.header(raw.kid) | {name: junk}
            assert 400 <= raw.post(raw.kid, body=jws(raw.key, header, "")).status < 500

    def test_in_a_public_key(self, raw, junk):
        for name in ("kty", "crv", "x", "y"):
            key = jwk_of(raw.key) | {name: junk}
            assert 400 <= raw.post(raw.directory["newAccount"], {}, kid=None, jwk=key).status < 500


def test_every_answer_but_the_directory_links_to_it(raw):
    assert raw.post(order_url(raw)).links("index") == [raw.ca.directory_url]
    assert raw.get(raw.ca.directory_url).links("index") == []


def test_the_directory_says_what_this_is_and_has_a_member_to_ignore(start):
    ca: EmbeddedCA = start(profiles={"short": "six days"}, new_authz=False, terms_of_service=None)
    raw = Raw(ca)
    raw.close()
    assert set(raw.directory) >= {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"}
    assert "newAuthz" not in raw.directory
    assert raw.directory["meta"]["profiles"] == {"short": "six days"}
    assert "termsOfService" not in raw.directory["meta"]
    assert "NOT A CA" in raw.directory["meta"]["acmez-testkit"]
    assert "k7Zr0Tn9aYQ" in raw.directory
