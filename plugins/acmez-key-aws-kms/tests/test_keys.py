"""Keys in KMS sign requests and certificate requests; what AWS refuses is told in words."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from acmez_http_standalone import StandaloneSolver
from acmez_key_aws_kms import AwsKmsError, AwsKmsKey, provider
from acmez_key_aws_kms.provider import MAX_MESSAGE
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

import acmez
from acmez.acme.jws import SigningKey
from acmez.protocols import KeyProvider
from tests.pebble.fixtures import AnyCA

SPECS = ["ECC_NIST_P256", "ECC_NIST_P384", "RSA_2048"]
DIGESTS = {"ECC_NIST_P384": hashes.SHA384()}


@pytest.mark.parametrize("spec", SPECS)
def test_it_signs_requests_and_certificate_requests(moto, new_key, spec):
    key = AwsKmsKey(new_key(spec), endpoint_url=moto).get("account")
    assert len(SigningKey(key).sign(b"protected.payload")) in {64, 96, 256}
    digest = DIGESTS.get(spec, hashes.SHA256())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)
    assert csr.is_signature_valid


@pytest.mark.parametrize(("account", "certificate"), [("ECC_NIST_P256", "RSA_2048"), ("RSA_2048", "ECC_NIST_P384")])
def test_a_ca_takes_both_keys(moto, new_key, any_ca: AnyCA, account, certificate):
    solver = StandaloneSolver(host="127.0.0.1", port=any_ca.http_port)
    keys = [AwsKmsKey(new_key(spec), endpoint_url=moto) for spec in (account, certificate)]
    with acmez.Client(any_ca.directory_url, solvers=[solver], account_key=keys[0], trust=any_ca.trust) as client:
        client.register(terms_of_service_agreed=True)
        issued = client.obtain([f"{account}.kms.example".replace("_", "-").lower()], key=keys[1], timeout=60)
    assert issued.leaf.public_key() == keys[1].get("certificate").public_key()
    assert issued.private_key_pem is None


def test_an_account_gets_its_next_key_in_kms(moto, new_key, any_ca: AnyCA):
    one, two = (AwsKmsKey(new_key(spec), endpoint_url=moto) for spec in ("ECC_NIST_P256", "RSA_2048"))
    with acmez.Client(any_ca.directory_url, account_key=one, trust=any_ca.trust) as client:
        url = client.register(terms_of_service_agreed=True).url
        client.change_account_key(two)
    with acmez.Client(any_ca.directory_url, account_key=two, trust=any_ca.trust) as client:
        assert client.account().url == url


def test_an_alias_and_an_arn_mean_the_same_key(moto, admin, new_key):
    key_id = new_key(alias="alias/acme-account")
    arn = admin.describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
    keys = {
        AwsKmsKey(name, endpoint_url=moto)
        .get("account")
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        for name in (key_id, "alias/acme-account", arn)
    }
    assert len(keys) == 1


def test_it_is_a_key_provider():
    provider: KeyProvider = AwsKmsKey("alias/acme")
    assert provider.name == "key-aws-kms"
    with pytest.raises(ValueError, match=r"^key_id: give the key's id, ARN or alias$"):
        AwsKmsKey("")


class TestLongMessages:
    """KMS takes 4096 bytes and no more; of a longer request it gets the digest, which moto does not know."""

    ELLIPTIC = ec.generate_private_key(ec.SECP384R1())
    RSA = rsa.generate_private_key(65537, 2048)

    @pytest.fixture(params=["ECC_NIST_P384", "RSA_2048"])
    def kms(self, request: pytest.FixtureRequest) -> Iterator[str]:
        key = self.RSA if request.param == "RSA_2048" else self.ELLIPTIC

        class Kms(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = public() if self.headers["X-Amz-Target"].endswith("GetPublicKey") else sign(asked)
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        def public() -> dict[str, object]:
            der = key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            encoded = base64.b64encode(der).decode()
            return {"KeySpec": request.param, "KeyUsage": "SIGN_VERIFY", "PublicKey": encoded}

        def sign(asked: dict[str, str]) -> dict[str, object]:
            message = base64.b64decode(asked["Message"])
            assert len(message) <= MAX_MESSAGE
            bits = int(asked["SigningAlgorithm"].rpartition("_")[2])
            algorithm = hashes.SHA256() if bits == 256 else hashes.SHA384()
            digested = utils.Prehashed(algorithm) if asked["MessageType"] == "DIGEST" else algorithm
            if isinstance(key, rsa.RSAPrivateKey):
                signature = key.sign(message, padding.PKCS1v15(), digested)
            else:
                signature = key.sign(message, ec.ECDSA(digested))
            return {"Signature": base64.b64encode(signature).decode()}

        with HTTPServer(("127.0.0.1", 0), Kms) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()

    @pytest.mark.parametrize("size", [MAX_MESSAGE, MAX_MESSAGE + 1])
    def test_both_ways_give_the_same_signatures(self, kms, size):
        key = AwsKmsKey("alias/acme", endpoint_url=kms).get("account")
        data = bytes(size)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            key.public_key().verify(key.sign(data, ec.ECDSA(hashes.SHA384())), data, ec.ECDSA(hashes.SHA384()))
        else:
            signature = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
            key.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())


class TestErrors:
    def test_a_key_that_is_not_there(self, moto):
        missing = "12345678-1234-1234-1234-123456789012"
        with pytest.raises(AwsKmsError, match=rf"^{missing}: there is no such key in this region and account$"):
            AwsKmsKey(missing, endpoint_url=moto).get("account")

    def test_a_key_of_another_region(self, moto, new_key):
        with pytest.raises(AwsKmsError, match="there is no such key in this region and account"):
            AwsKmsKey(new_key(), region="us-east-1", endpoint_url=moto).get("account")

    def test_a_key_for_encryption(self, moto, new_key):
        key_id = new_key("RSA_2048", "ENCRYPT_DECRYPT")
        with pytest.raises(AwsKmsError, match=rf"^{key_id}: is for ENCRYPT_DECRYPT, not for signatures"):
            AwsKmsKey(key_id, endpoint_url=moto).get("account")

    def test_a_curve_that_acme_has_no_use_for(self, moto, new_key):
        key_id = new_key("ECC_SECG_P256K1")
        with pytest.raises(AwsKmsError, match=rf"^{key_id}: is a secp256k1 key; acmez signs with ECC_NIST_P256, "):
            AwsKmsKey(key_id, endpoint_url=moto).get("account")

    def test_a_digest_that_the_key_does_not_take(self, moto, new_key):
        key_id = new_key()
        key = AwsKmsKey(key_id, endpoint_url=moto).get("account")
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        with pytest.raises(AwsKmsError, match=rf"^{key_id}: ValidationException: "):
            key.sign(b"data", ec.ECDSA(hashes.SHA384()))

    def test_a_server_that_is_down(self, monkeypatch):
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            with pytest.raises(AwsKmsError, match=rf'^alias/acme: Could not connect to the endpoint URL: "{url}/"$'):
                AwsKmsKey("alias/acme", endpoint_url=url).get("account")

    def test_credentials_that_are_not_there(self, moto, monkeypatch):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(AwsKmsError, match=r"^alias/acme: Unable to locate credentials$"):
            AwsKmsKey("alias/acme", endpoint_url=moto).get("account")

    def test_a_region_or_a_profile_that_is_not_there(self, monkeypatch):
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        with pytest.raises(AwsKmsError, match=r"^alias/acme: You must specify a region\.$"):
            AwsKmsKey("alias/acme").get("account")
        with pytest.raises(AwsKmsError, match=r"^alias/acme: The config profile \(nobody\) could not be found$"):
            AwsKmsKey("alias/acme", profile="nobody").get("account")

    def test_access_that_is_denied_names_the_rights(self):
        def denied() -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "User: arn:..."}}, "Sign")

        with pytest.raises(AwsKmsError, match=r"^alias/acme: access denied: the key's policy has to allow kms:GetPubl"):
            provider._called("alias/acme", denied)
