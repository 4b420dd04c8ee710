"""Keys whose signatures are made elsewhere pass for keys of cryptography's own."""

from __future__ import annotations

import copy

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from acmez.acme.jws import SigningKey
from acmez.errors import KeyFileError
from acmez.keys import private_pem
from acmez.remote_keys import RemoteEcKey, RemoteRsaKey, ToSign, remote_key

ELLIPTIC = {"P-256": ec.generate_private_key(ec.SECP256R1()), "P-384": ec.generate_private_key(ec.SECP384R1())}
RSA = rsa.generate_private_key(65537, 2048)
PKCS1 = padding.PKCS1v15()


def remote(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, seen: list[ToSign] | None = None):
    def sign(wanted: ToSign) -> bytes:
        if seen is not None:
            seen.append(wanted)
        prehashed = utils.Prehashed(wanted.algorithm)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(wanted.digest, PKCS1, prehashed)
        return key.sign(wanted.digest, ec.ECDSA(prehashed))

    return remote_key(key.public_key(), sign, "vault: key 'x'")


@pytest.fixture(params=["P-256", "P-384", "RSA"])
def key(request: pytest.FixtureRequest):
    return remote(ELLIPTIC.get(request.param, RSA))


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_its_signatures_are_as_good_as_others(key, algorithm):
    hashed = hashes.Hash(algorithm)
    hashed.update(b"data")
    prehashed = utils.Prehashed(algorithm)
    if isinstance(key, RemoteEcKey):
        signatures = key.sign(b"data", ec.ECDSA(algorithm)), key.sign(hashed.finalize(), ec.ECDSA(prehashed))
        for signature in signatures:
            key.public_key().verify(signature, b"data", ec.ECDSA(algorithm))
    else:
        assert isinstance(key, RemoteRsaKey)
        for signature in (key.sign(b"data", PKCS1, algorithm), key.sign(hashed.finalize(), PKCS1, prehashed)):
            key.public_key().verify(signature, b"data", PKCS1, algorithm)


def test_the_signer_is_told_the_data_unless_the_caller_keeps_it():
    seen: list[ToSign] = []
    key = remote(RSA, seen)
    key.sign(b"data", PKCS1, hashes.SHA256())
    key.sign(seen[0].digest, PKCS1, utils.Prehashed(hashes.SHA256()))
    assert [wanted.data for wanted in seen] == [b"data", None]
    assert seen[0].digest == seen[1].digest
    assert "data" not in repr(seen[0])


def test_it_signs_requests_and_certificate_requests(key):
    assert SigningKey(key).sign(b"protected.payload")
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA384())
    assert csr.is_signature_valid
    assert csr.public_key() == key.public_key()


def test_it_stays_where_it_is(key):
    encodings = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with pytest.raises(UnsupportedAlgorithm, match=r"^vault: key 'x': the private key stays there"):
        key.private_bytes(*encodings)
    with pytest.raises(UnsupportedAlgorithm):
        key.private_numbers()
    with pytest.raises(KeyFileError, match="cannot be exported"):
        private_pem(key)
    assert copy.copy(key) is copy.deepcopy(key) is key
    assert "vault: key 'x'" in repr(key)


def test_what_it_is_not_for_is_refused():
    elliptic, other = remote(ELLIPTIC["P-256"]), remote(RSA)
    with pytest.raises(UnsupportedAlgorithm):
        elliptic.exchange(ec.ECDH(), elliptic.public_key())
    with pytest.raises(UnsupportedAlgorithm, match="randomized ECDSA only"):
        elliptic.sign(b"", ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    with pytest.raises(UnsupportedAlgorithm, match="SHA-256, SHA-384 or SHA-512 only"):
        elliptic.sign(b"", ec.ECDSA(hashes.SHA1()))  # noqa: S303
    with pytest.raises(ValueError, match="a digest of 32 bytes was promised, and 3 came"):
        elliptic.sign(b"abc", ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    with pytest.raises(UnsupportedAlgorithm):
        other.decrypt(b"", PKCS1)
    with pytest.raises(UnsupportedAlgorithm, match="PKCS1v15 only"):
        other.sign(b"", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
