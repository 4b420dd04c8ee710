"""Certificate answers that would end up in a file (RFC 8555 §7.4.2, §11.4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from acmez_testkit import Answer
from cryptography.hazmat.primitives.asymmetric import ec

from acmez import AcmeError, CertificateError, DefaultRetry
from acmez.keys import generate, private_pem
from tests.hostile.answers import NAME, tricky
from tests.hostile.conftest import Start
from tests.solvers import TxtSolver, WebSolver
from tests.test_issuance import self_signed

KEY = ec.generate_private_key(ec.SECP256R1())
OWN = self_signed([NAME], KEY)
BESIDE = {
    "private key": private_pem(generate("ec-p256")),
    "old private key": b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
    "encrypted key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "parameters": b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
    "revocation list": b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
    "trusted": b"-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n",
    "tricks": b"-----BEGIN \x1b]0;x\x07-----\n",
    "shell": b"$(reboot)\n",
    "page": b"<html></html>",
    "unfinished": b"-----BEGIN CERTIFICATE-----\nAAAA",
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE.keys())
@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
def test_nothing_but_certificates_is_taken(start: Start, beside: bytes, *, first: bool):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), retry=DefaultRetry(attempts=1))
    body = beside + OWN if first else OWN + beside
    lab.ca.faults.add("certificate", Answer(200, body, content_type="application/pem-certificate-chain"))
    with pytest.raises(AcmeError, match=r"the certificate chain holds|is no PEM certificate chain") as raised:
        client.obtain([NAME], key=KEY)
    assert not tricky(str(raised.value))
    assert "PRIVATE KEY-----" not in str(raised.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["other.example"], r"lacks www\.example\.org$"),
        ([NAME, "evil.example"], r"is also for evil\.example$"),
        ([NAME, f"*.{NAME}"], r"is also for \*\.www\.example\.org$"),
        ([NAME, "a\x1b[31mb"], "is also for a\ufffd\\[31mb$"),
    ],
)
def test_a_certificate_for_other_names_is_refused(start: Start, names: list[str], message: str):
    lab = start()
    client = lab.client(TxtSolver(zone=lab.zone))
    lab.ca.faults.add("certificate", Answer(200, self_signed(names, KEY)))
    with pytest.raises(CertificateError, match=message):
        client.obtain([NAME], key=KEY)


def test_a_refused_certificate_leaves_the_old_files_alone(start: Start, tmp_path: Path):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    client.obtain([NAME]).write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    lab.ca.faults.add("certificate", Answer(200, self_signed([NAME], generate("ec-p256"))))  # type: ignore[arg-type]
    with pytest.raises(CertificateError, match="another key"):
        client.obtain([NAME]).write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_alternate_chain_for_another_certificate_is_passed_over(start: Start):
    lab = start(alternate_roots=1)
    client = lab.client(WebSolver(web=lab.web))
    lab.ca.faults.add("certificate", Answer(200, self_signed([NAME], KEY)), after=1)
    issued = client.obtain([NAME], preferred_chain="some issuer")
    assert issued.leaf.issuer.rfc4514_string() != "CN=some issuer"
