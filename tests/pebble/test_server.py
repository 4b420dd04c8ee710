"""The Pebble that other tests rely on does what its options say, and leaves nothing behind."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
import trustme
from cryptography import x509

from tests.pebble.fetching import fetch
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.install import Binaries
from tests.pebble.ports import LOOPBACK
from tests.pebble.processes import StartError
from tests.pebble.server import Pebble, PebbleOptions, Profile


def read_directory(pebble: Pebble, trust: Path | None = None) -> dict[str, object]:
    url = urlsplit(pebble.directory_url)
    tls = ssl.create_default_context(cafile=trust or pebble.trust)
    directory = json.loads(fetch((str(url.hostname), url.port or 0), url.path, tls=tls))
    return cast("dict[str, object]", directory)


def meta_of(pebble: Pebble) -> dict[str, object]:
    return cast("dict[str, object]", read_directory(pebble)["meta"])


def renewal_id(issuer: x509.Certificate, serial: int) -> str:
    """The certificate identifier of RFC 9773 §4.1."""
    key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    parts = (key_id, serial.to_bytes(serial.bit_length() // 8 + 1))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def test_directory_is_reachable_with_the_servers_own_trust(pebble: Pebble):
    assert {"newNonce", "newAccount", "newOrder", "revokeCert", "renewalInfo"} <= set(read_directory(pebble))


def test_another_trust_is_refused(pebble: Pebble, tmp_path: Path):
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with pytest.raises(ssl.SSLCertVerificationError):
        read_directory(pebble, stranger)


def test_every_url_stays_on_loopback(pebble: Pebble):
    urls = [value for value in read_directory(pebble).values() if isinstance(value, str)]
    assert urls
    assert all(url.startswith(f"https://{LOOPBACK}:") for url in urls)


def test_meta_asks_for_an_external_account_only_with_eab_keys(pebble: Pebble, pebble_factory: PebbleFactory):
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    bound = pebble_factory(PebbleOptions(eab_keys={"kid-1": key}))
    assert meta_of(bound)["externalAccountRequired"] is True
    assert meta_of(pebble)["externalAccountRequired"] is False


def test_meta_lists_the_profiles(pebble_factory: PebbleFactory):
    profiles = {"classic": Profile("90 days"), "shortlived": Profile("6 days", validity=518_400)}
    pebble = pebble_factory(PebbleOptions(profiles=profiles))
    assert meta_of(pebble)["profiles"] == {"classic": "90 days", "shortlived": "6 days"}


def test_alternate_roots_are_different_certificates(pebble_factory: PebbleFactory):
    pebble = pebble_factory(PebbleOptions(alternate_roots=2))
    roots = {pebble.root_pem(index) for index in range(3)}
    assert len(roots) == 3
    assert all(root.startswith("-----BEGIN CERTIFICATE-----") for root in roots)


def test_options_reach_the_server(pebble_factory: PebbleFactory):
    options = PebbleOptions(nonce_reject=17, authz_reuse=23, va_sleep=2, orders_per_page=7, strict=True)
    log = pebble_factory(options).log.read_text()
    assert "reject 17% of good nonces" in log
    assert "authz reuse for each identifier 23%" in log
    assert "maximum random VA sleep time to 2 seconds" in log
    assert "show 7 orders per page" in log
    assert "Running in strict mode" in log


def test_given_ports_are_used(pebble_factory: PebbleFactory):
    pebble = pebble_factory(PebbleOptions(http_port=5002, tls_port=5001))
    assert (pebble.http_port, pebble.tls_port) == (5002, 5001)


def test_challenge_ports_are_left_to_the_tests_responders(pebble: Pebble):
    for port in (pebble.http_port, pebble.tls_port):
        assert not is_listening(port)
        with socket.create_server((LOOPBACK, port)):
            assert is_listening(port)


@pytest.mark.parametrize("answer", ['{"suggestedWindow": {"start": "soon"}}', "not even json"])
def test_renewal_info_can_be_set_to_anything(pebble: Pebble, answer: str):
    # Pebble keeps its intermediate like any certificate it issued, and looks no further than the serial.
    pem = pebble.intermediate_pem()
    intermediate = x509.load_pem_x509_certificate(pem.encode())
    pebble.set_renewal_info(pem, answer)
    identifier = renewal_id(intermediate, intermediate.serial_number)
    url = urlsplit(f"{read_directory(pebble)['renewalInfo']}/{identifier}")
    tls = ssl.create_default_context(cafile=pebble.trust)
    assert fetch((LOOPBACK, url.port or 0), url.path, tls=tls).decode() == answer


def test_two_servers_run_side_by_side(pebble_factory: PebbleFactory):
    first, second = pebble_factory(), pebble_factory()
    assert first.directory_url != second.directory_url
    assert first.root_pem() != second.root_pem()


def test_nothing_is_left_after_the_end(pebble_binaries: Binaries, tmp_path: Path):
    with Pebble(tmp_path, binaries=pebble_binaries) as pebble:
        acme = urlsplit(pebble.directory_url).port or 0
        ports = [acme, pebble.dns.address[1]]
        assert all(map(is_listening, ports))
    assert not any(map(is_listening, ports))


def test_a_server_that_cannot_start_shows_the_end_of_its_log(pebble_binaries: Binaries, tmp_path: Path):
    pebble = Pebble(tmp_path, PebbleOptions(key_algorithm="dsa"), pebble_binaries)  # type: ignore[arg-type]
    with pytest.raises(StartError, match=r'pebble ended with status 1(.|\n)*"dsa" is not one of'):
        pebble.__enter__()
