"""Servers of this process answer the CA through their own context, and nobody else notices."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Self

import pytest
import trustme
from acmez_tls_alpn import TlsAlpnError, TlsAlpnSolver

from acmez.tls import ReloadingContext

from .sites import Address, serving, site_context
from .visiting import client_context, validate, visit

Serve = Callable[[ssl.SSLContext], Address]


@pytest.fixture(params=["threads", "implicit", "timeout", "asyncio"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """A server on the context: threads whose handshake is explicit or is made by the first read, or asyncio."""
    with ExitStack() as stack:

        def start(context: ssl.SSLContext) -> Address:
            if request.param == "asyncio":
                return stack.enter_context(AsyncioSite(context)).address
            explicit, timeout = request.param != "implicit", 10 if request.param == "timeout" else None

            def handle(connection: socket.socket) -> None:
                connection.settimeout(timeout)
                with context.wrap_socket(connection, True, do_handshake_on_connect=explicit) as secured:
                    if secured.recv(100):
                        secured.sendall(b"hello")

            return stack.enter_context(serving(handle))

        yield start


class AsyncioSite:
    """An asyncio server in a thread."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                if await reader.read(100):
                    writer.write(b"hello")
                    await writer.drain()
                writer.close()
                await writer.wait_closed()

        self._thread.start()
        self._server = self._run(asyncio.start_server(handle, "127.0.0.1", 0, ssl=self._context))
        self.address: Address = self._server.sockets[0].getsockname()
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self._server.close()
            await self._server.wait_closed()
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


@pytest.fixture
def solver() -> TlsAlpnSolver:
    return TlsAlpnSolver()


def hello_from(address: Address, protocols: tuple[str, ...] = ()) -> tuple[bytes, str | None]:
    with (
        socket.create_connection(address, timeout=10) as plain,
        client_context(protocols).wrap_socket(plain, server_hostname="example.com") as connection,
    ):
        connection.sendall(b"GET")
        return connection.recv(10), connection.selected_alpn_protocol()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_ca_sees_the_challenge_while_it_is_presented(serve, solver, challenge, challenge_for, scope, version):
    context, der = site_context(protocols=("h2", "http/1.1"))
    address = serve(solver.wrap(context))
    assert hello_from(address, ("http/1.1",)) == (b"hello", "http/1.1")
    seen = solver.validated(challenge)
    solver.present(challenge, scope)
    solver.present(challenge_for("2001:db8::1"), scope)
    assert solver.addresses == []
    assert visit(address, "example.com", ("h2",)).der == der
    assert not seen.is_set()
    # A reset by a visitor that leaves session tickets unread may overtake the end of its handshake; CAs look again.
    for _ in range(5):
        validate(address, challenge, version=version)
        if seen.wait(2):
            break
    assert seen.is_set()
    validate(address, challenge_for("2001:db8::1"), version=version)
    assert hello_from(address, ("h2", "acme-tls/1")) == (b"hello", "h2")
    solver.clean_up(challenge, None, scope)
    assert visit(address, "example.com").der == der


def test_a_hello_that_comes_in_drips_is_waited_for(serve, solver, challenge, scope):
    address = serve(solver.wrap(site_context()[0]))
    solver.present(challenge, scope)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = client_context().wrap_bio(incoming, outgoing, server_hostname="example.com")
    with socket.create_connection(address, timeout=10) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                connection.do_handshake()
                break
            except ssl.SSLWantReadError:
                for value in outgoing.read():
                    plain.sendall(bytes([value]))
                incoming.write(plain.recv(65536))
        plain.sendall(outgoing.read())
    assert connection.selected_alpn_protocol() == "acme-tls/1"


def test_what_the_context_decided_by_server_name_it_still_decides(serve, solver, challenge, scope):
    context, _ = site_context()
    other, other_der = site_context("other.example")
    asked: list[str | None] = []

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        asked.append(name)
        if name == "other.example":
            connection.context = other

    context.sni_callback = choose
    address = serve(solver.wrap(context))
    solver.present(challenge, scope)
    assert visit(address, "other.example", ()).der == other_der
    validate(address, challenge)
    assert asked == ["other.example"]


def test_a_context_that_follows_renewals_answers_too(serve, solver, challenge, scope, tmp_path):
    authority = trustme.CA()

    def renew() -> bytes:
        issued = authority.issue_cert("example.com")
        (tmp_path / "fullchain.pem").write_bytes(issued.cert_chain_pems[0].bytes())
        (tmp_path / "privkey.pem").write_bytes(issued.private_key_pem.bytes())
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())

    first = renew()
    address = serve(solver.wrap(ReloadingContext(tmp_path, check_every=0)))
    assert visit(address, "example.com", ()).der == first
    solver.present(challenge, scope)
    validate(address, challenge)
    second = renew()
    assert visit(address, "example.com", ()).der == second
    validate(address, challenge)


def test_visitors_who_are_no_clients_of_tls_do_no_harm(serve, solver, challenge, scope):
    address = serve(solver.wrap(site_context()[0]))
    solver.present(challenge, scope)
    for data in (b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n", bytes(20_000)):
        # The server may be the first to go.
        with socket.create_connection(address, timeout=10) as connection, suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(100):
                pass
    validate(address, challenge)


def test_a_socket_that_does_not_block_is_waited_for_by_its_owner(solver, challenge, scope):
    context = solver.wrap(site_context()[0])
    solver.present(challenge, scope)
    one, other = socket.socketpair()
    with other, context.wrap_socket(one, server_side=True, do_handshake_on_connect=False) as secured:
        secured.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            secured.do_handshake()
        other.sendall(b"\x16\3\1\2\0")
        with pytest.raises(ssl.SSLWantReadError):
            secured.do_handshake()


def test_clients_of_the_context_are_left_alone(solver):
    context = solver.wrap(client_context(()))
    with (
        serving(lambda connection: connection.close()) as address,
        socket.create_connection(address) as plain,
        pytest.raises(OSError, match=r"EOF|reset|UNEXPECTED"),
    ):
        context.wrap_socket(plain, server_hostname="example.com")


def test_a_context_is_wrapped_once(solver):
    context = solver.wrap(site_context()[0])
    with pytest.raises(TlsAlpnError, match=r"^wrap: the context is wrapped already$"):
        TlsAlpnSolver().wrap(context)
