"""What goes to the CA, and when it is the same as what an earlier process wanted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from acmez import CertificateSpec, FileKey, GeneratedKey, InputError
from acmez.acme.jws import PrivateKey
from acmez.keys import generate
from acmez.request import Request, public_bytes, specs_for

NAMES = ("example.org", "*.example.org", "192.0.2.1")


def wish(spec: CertificateSpec) -> str:
    return Request.from_spec(spec).wish(spec)


SPEC = CertificateSpec(NAMES)


@pytest.fixture(scope="module")
def own() -> bytes:
    """A certificate request of the caller's own."""
    return Request.from_spec(CertificateSpec(NAMES)).der


# Requests


def test_names_get_a_new_key_unless_one_is_given():
    request = Request.from_spec(SPEC)
    assert isinstance(request.private_key, ec.EllipticCurvePrivateKey)
    assert [str(identifier) for identifier in request.identifiers] == list(NAMES)
    assert request.generated == "ec-p256"
    assert request.generated_key is not None
    assert public_bytes(request.csr) in request.der
    key = generate("rsa-2048")
    given = Request.from_spec(CertificateSpec(NAMES, key=key))
    assert given.private_key is key
    assert (given.generated, given.generated_key) == (None, None)


def test_a_provider_gives_the_key(tmp_path: Path):
    generated = Request.from_spec(CertificateSpec(NAMES, key=GeneratedKey("rsa-2048")))
    assert isinstance(generated.private_key, rsa.RSAPrivateKey)
    assert generated.generated == "rsa-2048"
    file = FileKey(tmp_path / "key.pem")
    kept = Request.from_spec(CertificateSpec(NAMES, key=file))
    assert (kept.generated, kept.generated_key) == (None, None)
    assert Request.from_spec(CertificateSpec(NAMES, key=file)).csr.public_key() == kept.csr.public_key()


def test_a_request_of_the_callers_own_has_no_key(own: bytes):
    request = Request.from_spec(CertificateSpec(csr=own))
    assert (request.private_key, request.generated, request.generated_key) == (None, None, None)
    assert request.der == own


@pytest.mark.parametrize("more", [{"names": ("example.org",)}, {"key": GeneratedKey()}])
def test_a_request_and_what_goes_into_one_exclude_each_other(own: bytes, more: dict[str, object]):
    with pytest.raises(InputError, match="give either csr, or names and key"):
        Request.from_spec(CertificateSpec(csr=own, **more))  # type: ignore[arg-type]


def test_what_is_left_without_some_names(own: bytes):
    request = Request.from_spec(SPEC)
    rest = request.without({"EXAMPLE.org", "192.0.2.1"})
    assert rest is not None
    assert [str(identifier) for identifier in rest.identifiers] == ["*.example.org"]
    assert (rest.private_key, rest.generated) == (request.private_key, request.generated)
    assert request.without(set(NAMES)) is None
    assert request.without({"another.example.org"}) is None
    assert Request.from_spec(CertificateSpec(csr=own)).without({"example.org"}) is None


# Wishes


class Fresh:
    """A provider that nobody knows, with a new key each time."""

    name: ClassVar[str] = "fresh"

    def get(self, purpose: str) -> PrivateKey:
        return generate("ec-p256")


def test_the_same_is_wanted_whenever_it_is_asked_for_in_the_same_way(tmp_path: Path, own: bytes):
    file = FileKey(tmp_path / "key.pem")
    for spec in (SPEC, CertificateSpec(NAMES, key=file), CertificateSpec(csr=own)):
        assert wish(spec) == wish(spec)
    assert wish(SPEC) == wish(CertificateSpec(("192.0.2.1", "EXAMPLE.org", "*.Example.org"), key=GeneratedKey()))
    assert wish(CertificateSpec(NAMES, key=file.get("certificate"))) == wish(CertificateSpec(NAMES, key=file))


def test_another_key_or_profile_or_validity_is_another_wish(tmp_path: Path, own: bytes):
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    specs = [
        SPEC,
        CertificateSpec(NAMES[:2]),
        CertificateSpec(NAMES, key=GeneratedKey("ec-p384")),
        CertificateSpec(NAMES, key=FileKey(tmp_path / "one.pem")),
        CertificateSpec(NAMES, key=FileKey(tmp_path / "two.pem")),
        CertificateSpec(NAMES, key=Fresh()),
        CertificateSpec(NAMES, key=Fresh()),
        CertificateSpec(csr=own),
        CertificateSpec(csr=Request.from_spec(SPEC).der),
        CertificateSpec(NAMES, profile="shortlived"),
        CertificateSpec(NAMES, not_before=moment),
        CertificateSpec(NAMES, not_after=moment),
    ]
    assert len({wish(spec) for spec in specs}) == len(specs)


def test_a_generated_key_is_restored_and_any_other_one_is_there(tmp_path: Path):
    earlier, request = Request.from_spec(SPEC), Request.from_spec(SPEC)
    assert earlier.generated_key is not None
    restored = request.restored(earlier.der, earlier.generated_key)
    assert restored.der == earlier.der
    assert restored.generated_key == earlier.generated_key
    assert restored.identifiers == request.identifiers
    kept = Request.from_spec(CertificateSpec(NAMES, key=FileKey(tmp_path / "key.pem")))
    assert kept.restored(earlier.der, None) is kept


# What to go on with


def test_wishes_become_specifications_again(own: bytes):
    specs = [
        CertificateSpec(("b.example.org", "a.example.org", "192.0.2.1"), profile="shortlived"),
        CertificateSpec(NAMES, key=GeneratedKey("ec-p384"), not_after=datetime(2030, 1, 1, tzinfo=UTC)),
        CertificateSpec(csr=own, not_before=datetime(2029, 1, 1, tzinfo=UTC)),
    ]
    wishes = {wish(spec): Request.from_spec(spec).der for spec in specs}
    found = specs_for(wishes, ())
    assert [wish(spec) for spec in found] == list(wishes)
    assert [sorted(spec.names) for spec in found] == [sorted(spec.names) for spec in specs]


def test_a_key_that_is_elsewhere_has_to_be_known(tmp_path: Path):
    known = CertificateSpec(NAMES, key=FileKey(tmp_path / "key.pem"), directory=tmp_path, preferred_chain="Root")
    wishes = {wish(known): Request.from_spec(known).der}
    assert specs_for(wishes, ()) == []
    assert specs_for(wishes, [SPEC, CertificateSpec(("other.example.org",)), known]) == [known]


def test_known_specifications_come_with_all_that_they_say(tmp_path: Path, own: bytes):
    known = [CertificateSpec(NAMES, directory=tmp_path / "a"), CertificateSpec(csr=own, directory=tmp_path / "b")]
    wishes = {wish(spec): Request.from_spec(spec).der for spec in known}
    assert specs_for(wishes, [*known, CertificateSpec(NAMES, profile="shortlived")]) == known
