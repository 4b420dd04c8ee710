from __future__ import annotations

import pytest

from acmez.acme import Challenge, Identifier, InputError, MalformedAnswer
from acmez.acme.challenges import TokenRequest, tkauth_01
from acmez.acme.wire import JSON, b64encode, dumps
from tests.acme.challenges.making import THUMBPRINT, make

LIST = "F83n2a-avn27DN3"
# RFC 7638 §3.1 prints its thumbprint's bytes as decimals.
DECIMALS = (
    "55 54 203 177 120 124 184 48 156 119 238 140 55 5 197 225 "
    "111 251 158 133 151 21 144 31 30 76 89 177 17 130 245 123"
)
FINGERPRINT = "SHA256 " + ":".join(f"{int(byte):02X}" for byte in DECIMALS.split())


def challenge(**members: JSON) -> Challenge:
    everything: dict[str, JSON] = {"tkauth-type": "atc", **members}
    return make("tkauth-01", Identifier("TNAuthList", LIST), members=everything)


def jwt(claims: bytes) -> str:
    return ".".join(b64encode(part) for part in (b'{"typ":"JWT","alg":"ES256"}', claims, b"signature"))


def token(**changes: JSON) -> str:
    return jwt(dumps({"exp": 1, "jti": "id", "atc": {**tkauth_01.atc_claim(challenge()), **changes}}))


def test_the_fingerprint_has_the_form_of_the_rfc():
    published = "SHA256 56:3E:CF:AE:83:CA:4D:15:B0:29:FF:1B:71:D3:BA:B9:19:81:F8:50:9B:DF:4A:D4:39:72:E2:B1:F0:B9:38:E3"
    digest = bytes.fromhex(published.removeprefix("SHA256 ").replace(":", ""))
    assert tkauth_01.fingerprint(b64encode(digest)) == published


def test_the_fingerprint_is_the_account_keys_thumbprint():
    assert tkauth_01.fingerprint(THUMBPRINT) == FINGERPRINT


@pytest.mark.parametrize("thumbprint", ["", "AA", "+" * 43, THUMBPRINT + "AA"])
def test_only_a_thumbprint_has_a_fingerprint(thumbprint: str):
    with pytest.raises(InputError):
        tkauth_01.fingerprint(thumbprint)


@pytest.mark.parametrize("ca", [False, True])
def test_the_claim_names_the_identifier_and_the_account(ca: bool):
    assert tkauth_01.atc_claim(challenge(), ca=ca) == {
        "tktype": "TNAuthList",
        "tkvalue": LIST,
        "ca": ca,
        "fingerprint": FINGERPRINT,
    }


def test_the_token_is_sent_as_it_is():
    assert tkauth_01.payload(token()) == {"tkauth": token()}


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c.d", "a..c", "a b.c.d", jwt(b"[]"), jwt(b"{"), jwt(b"\xff"), "a.abcde.c", "\ud800.a.b"]
)
def test_what_is_not_a_compact_jwt_is_refused(text: str):
    with pytest.raises(InputError, match="authority token: "):
        tkauth_01.payload(text)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tktype": "TnAuthList"},
        {"tkvalue": LIST + "="},
        {"fingerprint": FINGERPRINT.lower()},
    ],
    ids=["exact", "spelling", "padding", "case"],
)
def test_a_token_matches_in_any_spelling_of_the_rfcs(changes: dict[str, JSON]):
    assert tkauth_01.matches(token(**changes), challenge())


@pytest.mark.parametrize(
    "changes",
    [
        {"tktype": "JWTClaimConstraints"},
        {"tkvalue": "AAAA"},
        {"tkvalue": LIST.lower()},
        {"tkvalue": None},
        {"ca": True},
        {"ca": "false"},
        {"fingerprint": FINGERPRINT.replace("37:", "36:", 1)},
        {"fingerprint": ["SHA256"]},
    ],
)
def test_a_token_for_something_else_does_not_match(changes: dict[str, JSON]):
    assert not tkauth_01.matches(token(**changes), challenge())


def test_a_token_for_a_ca_matches_only_if_a_ca_is_meant():
    assert tkauth_01.matches(token(ca=True), challenge(), ca=True)
    assert not tkauth_01.matches(token(), challenge(), ca=True)


@pytest.mark.parametrize("claims", [b"{}", b'{"atc":["TNAuthList"]}'])
def test_a_token_without_the_claim_does_not_match(claims: bytes):
    assert not tkauth_01.matches(jwt(claims), challenge())


def test_the_ca_says_what_it_wants():
    assert tkauth_01.token_request(challenge()) == TokenRequest("atc")
    authority = "https://authority.example.org/authz"
    assert tkauth_01.token_request(challenge(**{"token-authority": authority})) == TokenRequest("atc", authority)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"tkauth-type": None}, "tkauth-type"),
        ({"tkauth-type": ""}, "tkauth-type"),
        ({"tkauth-type": 7}, "tkauth-type"),
        ({"token-authority": "http://authority.example"}, "token-authority"),
        ({"token-authority": "file:///etc/passwd"}, "token-authority"),
        ({"token-authority": "https://authority.example\r\n"}, "token-authority"),
        ({"token-authority": ["https://authority.example"]}, "token-authority"),
    ],
)
def test_a_ca_that_cannot_be_understood_is_malformed(members: dict[str, JSON], reason: str):
    with pytest.raises(MalformedAnswer, match=f"{reason}: expected"):
        tkauth_01.token_request(challenge(**members))


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'tkauth-01'"):
        tkauth_01.atc_claim(make("dns-01"))
    with pytest.raises(InputError, match="'tkauth-01'"):
        tkauth_01.token_request(make("dns-01"))
