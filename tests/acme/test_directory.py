from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given

from acmez.acme import AcmeError, Directory, MalformedAnswer, Meta, UnsupportedError
from tests.acme.answers import NOW, URL, Raw, bodies, response

#: RFC 8555 §7.1.1, with what its extensions add
EXAMPLE: Raw = {
    "newNonce": "https://example.com/acme/new-nonce",
    "newAccount": "https://example.com/acme/new-account",
    "newOrder": "https://example.com/acme/new-order",
    "newAuthz": "https://example.com/acme/new-authz",
    "revokeCert": "https://example.com/acme/revoke-cert",
    "keyChange": "https://example.com/acme/key-change",
    "renewalInfo": "https://example.com/acme/renewal-info",
    "kD8rPwT3qE0": "https://community.letsencrypt.org/t/adding-random-entries-to-the-directory/33417",
    "meta": {
        "termsOfService": "https://example.com/acme/terms/2017-5-30",
        "website": "https://www.example.com/",
        "caaIdentities": ["example.com"],
        "externalAccountRequired": True,
        "profiles": {"classic": "https://example.com/classic", "odd": 1},
        "auto-renewal": {"min-lifetime": 86400, "max-duration": 31536000},
        "subdomainAuthAllowed": True,
        "delegation-enabled": True,
        "allow-certificate-get": True,
        "issuerDomainNames": ["authority.example"],
        "accountHashPrefix": "https://ca.example/account-hash/",
        "inBandOnionCAARequired": True,
    },
}
LEAST: Raw = {name: EXAMPLE[name] for name in ("newNonce", "newAccount", "newOrder")}


def read(raw: object, **fields: str) -> Directory:
    return Directory.from_response(response(raw, 200, url=URL, **fields))


def lifetime(**fields: str) -> float:
    return read(LEAST, **fields).expires - time.monotonic()


def test_everything_that_a_server_offers_is_read():
    directory = read(EXAMPLE)

    assert directory.url == URL
    assert directory.get("renewalInfo") == "https://example.com/acme/renewal-info"
    assert directory.require("newOrder") == "https://example.com/acme/new-order"
    assert "meta" not in directory.endpoints
    assert directory.raw == EXAMPLE
    assert directory.meta == Meta(
        terms_of_service="https://example.com/acme/terms/2017-5-30",
        website="https://www.example.com/",
        caa_identities=("example.com",),
        external_account_required=True,
        profiles={"classic": "https://example.com/classic", "odd": ""},
        auto_renewal={"min-lifetime": 86400, "max-duration": 31536000},
        subdomain_auth_allowed=True,
        delegation_enabled=True,
        allow_certificate_get=True,
        issuer_domain_names=("authority.example",),
        account_hash_prefix="https://ca.example/account-hash/",
        in_band_onion_caa_required=True,
    )


@pytest.mark.parametrize(
    "meta", [{}, {"meta": None}, {"meta": []}, {"meta": {}}, {"meta": {"profiles": 1, "website": "//["}}]
)
def test_meta_may_be_missing_or_odd(meta: Raw):
    assert read({**LEAST, **meta}).meta == Meta()


def test_the_other_name_of_the_onion_flag_counts_too():
    assert read({**LEAST, "meta": {"onionCAARequired": True}}).meta.in_band_onion_caa_required


def test_urls_may_be_relative_and_what_is_none_is_left_out():
    directory = read(
        {"newNonce": "/n", "newAccount": "/a", "newOrder": "o", "revokeCert": "", "keyChange": 1, "x": "//["}
    )

    assert directory.endpoints == {
        "newNonce": "https://ca.example/n",
        "newAccount": "https://ca.example/a",
        "newOrder": "https://ca.example/acme/o",
    }


def test_what_is_not_offered_is_told():
    directory = read(LEAST)

    assert directory.get("newAuthz") is None
    with pytest.raises(UnsupportedError, match=f"^{URL}: the server does not offer 'newAuthz'$"):
        directory.require("newAuthz")


@pytest.mark.parametrize("missing", ["newNonce", "newAccount", "newOrder"])
def test_a_page_that_is_no_directory_is_told(missing: str):
    page = {name: url for name, url in LEAST.items() if name != missing}
    with pytest.raises(MalformedAnswer, match=rf"^{URL}: not an ACME directory: '{missing}' is missing \(is this"):
        read(page)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 43200),
        ({"cache_control": "max-age=3600"}, 3600),
        ({"cache_control": 'public, Max-Age="3600"'}, 3600),
        ({"cache_control": "max-age=3600", "age": "600"}, 3000),
        ({"cache_control": "max-age=3600", "age": "nonsense"}, 3600),
        ({"cache_control": "s-maxage=3600"}, 43200),
        ({"cache_control": "max-age=999999999"}, 43200),
        ({"cache_control": "public, max-age=0, no-cache"}, 300),
        ({"cache_control": "no-store"}, 300),
        ({"expires": format_datetime(NOW + timedelta(hours=1), usegmt=True)}, 3600),
        ({"expires": "0"}, 300),
        ({"expires": "nonsense"}, 43200),
    ],
)
def test_its_cache_lifetime_is_honoured_within_reason(fields: dict[str, str], seconds: float):
    assert seconds - 5 < lifetime(**fields) <= seconds


def test_it_is_fresh_until_it_expires():
    assert read(LEAST).fresh
    assert not Directory(URL, {}, Meta(), expires=time.monotonic()).fresh


@given(bodies(*EXAMPLE))
def test_reading_raises_nothing_else(body: bytes):
    with contextlib.suppress(AcmeError):
        read(body)


@given(bodies(*EXAMPLE["meta"]))
def test_reading_any_meta_raises_nothing_else(body: bytes):
    with contextlib.suppress(AcmeError):
        read(b'{"newNonce":"/n","newAccount":"/a","newOrder":"/o","meta":' + body + b"}")
