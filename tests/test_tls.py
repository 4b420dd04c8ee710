"""Contexts for servers, from memory and from files that change while the server runs."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from acmez.acme.certificate import Chain
from acmez.acme.scope import CancelScope
from acmez.certificate import Certificate
from acmez.errors import KeyFileError
from acmez.keys import load_private_key
from acmez.tls import ReloadingContext, server_context

Address = tuple[str, int]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def issue(authority: trustme.CA) -> Callable[..., Certificate]:
    def issued(name: str = "example.com") -> Certificate:
        leaf = authority.issue_cert(name)
        pem = leaf.cert_chain_pems[0].bytes() + authority.cert_pem.bytes()
        chain = Chain("https://ca.example/cert", pem)
        return Certificate(chain, load_private_key(leaf.private_key_pem.bytes(), "trustme"))

    return issued


@pytest.fixture
def client(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def directory(tmp_path: Path, issue) -> Path:
    written: Path = issue().write(tmp_path / "certs")
    return written


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[Address]:
    """Serve every connection in a thread of its own, which says "hello"."""

    def handle(connection: socket.socket) -> None:
        with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as secured:
            secured.sendall(b"hello")
            secured.recv(1)

    def accept() -> None:
        with suppress(OSError):
            while True:
                thread = threading.Thread(target=handle, args=(listener.accept()[0],))
                threads.append(thread)
                thread.start()

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def shown(address: Address, client: ssl.SSLContext, name: str = "example.com") -> bytes:
    """Return the certificate that the server shows, checked against the CA."""
    with (
        socket.create_connection(address, timeout=10) as plain,
        client.wrap_socket(plain, server_hostname=name) as connection,
    ):
        assert connection.recv(5) == b"hello"
        return connection.getpeercert(binary_form=True) or b""


def der(certificate: Certificate) -> bytes:
    return certificate.leaf.public_bytes(serialization.Encoding.DER)


class TestInMemory:
    def test_a_certificate_gives_a_servers_context(self, issue, client):
        certificate = issue()
        context = certificate.ssl_context()
        with serving(context) as address:
            assert shown(address, client) == der(certificate)
        assert (context.minimum_version, context.verify_mode) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_NONE)

    def test_a_certificate_without_its_key_gives_none(self, issue):
        with pytest.raises(KeyFileError, match=r"its private key is not here$"):
            Certificate(issue().chain, None).ssl_context()

    def test_a_key_of_another_certificate_is_refused(self, issue):
        with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
            server_context(issue().fullchain_pem, issue().private_key_pem)

    @pytest.mark.parametrize("pem", [b"", b"no PEM"])
    def test_what_cannot_be_read_is_refused(self, issue, pem):
        with pytest.raises(ssl.SSLError):
            server_context(issue().fullchain_pem, pem)
        with pytest.raises(ssl.SSLError):
            server_context(pem, issue().private_key_pem)

    def test_nobody_is_asked_for_a_password_on_the_terminal(self, issue):
        key = issue().private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
        with pytest.raises(ssl.SSLError, match="the key is encrypted"):
            server_context(issue().fullchain_pem, key)

    def test_no_descriptor_stays_open(self, issue):
        certificate = issue()
        before = len([*Path("/proc/self/fd").iterdir()])
        certificate.ssl_context()
        assert len([*Path("/proc/self/fd").iterdir()]) == before

    def test_without_memory_files_a_private_temporary_file_does(self, issue, client, monkeypatch):
        monkeypatch.delattr("os.memfd_create", raising=False)
        certificate = issue()
        with serving(certificate.ssl_context()) as address:
            assert shown(address, client) == der(certificate)


class TestReloading:
    def test_the_next_handshake_has_the_new_certificate(self, directory, issue, client):
        with serving(ReloadingContext(directory, check_every=0)) as address:
            for _ in range(3):
                certificate = issue()
                certificate.write(directory)
                assert shown(address, client) == der(certificate)

    def test_it_does_not_look_more_often_than_it_is_told(self, directory, issue):
        context = ReloadingContext(directory, check_every=3600)
        before = context.current
        issue().write(directory)
        assert context.current is before

    def test_nothing_is_loaded_again_that_did_not_change(self, directory):
        context = ReloadingContext(directory, check_every=0)
        assert context.current is context.current

    def test_no_handshake_fails_while_certificates_change(self, directory, issue, client):
        renewals = [issue() for _ in range(40)]
        ended, seen, failed = threading.Event(), set[bytes](), list[Exception]()

        def visit(address: Address) -> None:
            while not ended.is_set():
                try:
                    seen.add(shown(address, client))
                except Exception as error:  # noqa: BLE001 - whatever it is
                    failed.append(error)
                    return

        with serving(ReloadingContext(directory, check_every=0)) as address:
            visitors = [threading.Thread(target=visit, args=(address,)) for _ in range(3)]
            for visitor in visitors:
                visitor.start()
            for certificate in renewals:
                certificate.write(directory)
            ended.set()
            for visitor in visitors:
                visitor.join()
            assert shown(address, client) == der(renewals[-1])
        assert failed == []
        assert len(seen) > 1

    def test_between_two_renames_the_certificate_before_is_kept(self, directory, issue, client, caplog):
        with serving(ReloadingContext(directory, check_every=0)) as address:
            before, renewed = shown(address, client), issue()
            (directory / "fullchain.pem").write_bytes(renewed.fullchain_pem)
            assert shown(address, client) == before
            assert caplog.messages == []
            (directory / "privkey.pem").write_bytes(renewed.private_key_pem)
            assert shown(address, client) == der(renewed)

    def test_files_that_stay_broken_are_told_once(self, directory, issue, caplog):
        context = ReloadingContext(directory, check_every=0)
        before = context.current
        (directory / "fullchain.pem").write_bytes(issue().fullchain_pem)
        assert [context.current for _ in range(9)] == [before] * 9
        (told,) = caplog.messages
        assert told.startswith(f"{directory}: the certificate before is kept: fullchain.pem and privkey.pem cannot")

    @pytest.mark.parametrize("name", ["fullchain.pem", "privkey.pem"])
    def test_a_file_that_vanishes_is_no_reason_to_fail(self, directory, issue, client, caplog, name):
        with serving(ReloadingContext(directory, check_every=0)) as address:
            before = shown(address, client)
            (directory / name).rename(directory / "away")
            assert {shown(address, client) for _ in range(5)} == {before}
            assert caplog.messages == [
                f"{directory}: the certificate before is kept: {name}: No such file or directory"
            ]
            certificate = issue()
            certificate.write(directory, overwrite=True)
            assert shown(address, client) == der(certificate)

    def test_a_new_certificate_is_logged(self, directory, issue, caplog):
        context = ReloadingContext(directory, check_every=0)
        issue().write(directory)
        with caplog.at_level(logging.INFO, "acmez.tls"):
            assert context.current is context.current
        assert caplog.messages == [f"{directory}: a new certificate is served"]


class TestBeginning:
    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(KeyFileError, match=rf"^{tmp_path}: fullchain\.pem: No such file or directory$"):
            ReloadingContext(tmp_path)

    def test_files_that_do_not_match_are_waited_for(self, directory, issue, client):
        renewed = issue()
        (directory / "fullchain.pem").write_bytes(renewed.fullchain_pem)

        def finish() -> None:
            CancelScope().sleep(0.1)
            (directory / "privkey.pem").write_bytes(renewed.private_key_pem)

        writer = threading.Thread(target=finish)
        writer.start()
        context = ReloadingContext(directory)
        writer.join()
        with serving(context) as address:
            assert shown(address, client) == der(renewed)

    def test_files_that_never_match_are_told(self, directory, issue, monkeypatch):
        monkeypatch.setattr("acmez.tls._FIRST_PATIENCE", 0.1)
        (directory / "fullchain.pem").write_bytes(issue().fullchain_pem)
        with pytest.raises(KeyFileError, match=r"cannot be used together: KEY_VALUES_MISMATCH$"):
            ReloadingContext(directory)


class TestOtherSettings:
    def test_protocols_stay_over_a_renewal(self, directory, issue, client):
        context = ReloadingContext(directory, check_every=0)
        context.set_alpn_protocols(["h2", "http/1.1"])
        client.set_alpn_protocols(["http/1.1"])
        with serving(context) as address:
            for _ in range(2):
                with (
                    socket.create_connection(address, timeout=10) as plain,
                    client.wrap_socket(plain, server_hostname="example.com") as connection,
                ):
                    assert connection.selected_alpn_protocol() == "http/1.1"
                issue().write(directory)

    def test_clients_with_certificates_are_checked_also_after_a_renewal(self, directory, issue, client, authority):
        context = ReloadingContext(directory, check_every=0)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        client.maximum_version = ssl.TLSVersion.TLSv1_2  # so that the client hears of it in the handshake
        with serving(context) as address:
            with pytest.raises(OSError, match=r"(?i)handshake.failure|certificate.required|reset"):
                shown(address, client)
            authority.issue_cert("client.example").configure_cert(client)
            for _ in range(2):
                shown(address, client)
                issue().write(directory)

    def test_a_callback_may_choose_another_one_by_name(self, directory, issue, client, tmp_path):
        context = ReloadingContext(directory, check_every=0)
        other = ReloadingContext(issue("other.example").write(tmp_path / "other"), check_every=0)

        def choose(connection: ssl.SSLObject, name: str, _context: ssl.SSLContext) -> None:
            if name == "other.example":
                connection.context = other.current

        context.sni_callback = choose
        assert context.sni_callback is choose
        with serving(context) as address:
            shown(address, client)
            for _ in range(2):
                renewed = issue("other.example")
                renewed.write(tmp_path / "other")
                assert shown(address, client, "other.example") == der(renewed)

    def test_clients_without_a_server_name_are_served(self, directory, issue, client):
        client.check_hostname = False
        certificate = issue()
        certificate.write(directory)
        with (
            serving(ReloadingContext(directory)) as address,
            socket.create_connection(address, timeout=10) as plain,
            client.wrap_socket(plain) as connection,
        ):
            assert connection.getpeercert(binary_form=True) == der(certificate)

    def test_sessions_are_resumed_over_a_renewal(self, directory, issue, client):
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        with serving(ReloadingContext(directory, check_every=0)) as address:
            with (
                socket.create_connection(address, timeout=10) as plain,
                client.wrap_socket(plain, server_hostname="example.com") as connection,
            ):
                assert connection.recv(5) == b"hello"
                session = connection.session
            issue().write(directory)
            with (
                socket.create_connection(address, timeout=10) as plain,
                client.wrap_socket(plain, server_hostname="example.com", session=session) as connection,
            ):
                assert connection.session_reused
