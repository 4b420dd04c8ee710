"""What passing connections through costs: this responder beside nginx, per second of their CPU time.

    python benchmarks/front.py

Client and backend are on the same machine and need its other cores; so what counts is the CPU time of the process
in the middle, from /proc.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TOTAL = 2_000_000_000  # bytes in one connection
CONNECTIONS = 1000


def backend(connection: socket.socket) -> None:
    """Send as much as is asked for."""
    with connection, suppress(OSError):
        wanted = connection.recv(200)
        block = bytes(1 << 20)
        for _ in range(TOTAL // len(block) if wanted.startswith(b"much") else 0):
            connection.sendall(block)
        connection.sendall(wanted)


@contextmanager
def backend_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=backend, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def front(behind: int, folder: Path) -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "acmez_tls_alpn", "--host", "127.0.0.1", "--port", "0"]
    command += ["--directory", str(folder), "--backend", f"127.0.0.1:{behind}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        listening = process.stderr.readline() if process.stderr else ""
        yield int(listening.split()[-1]), process.pid
        process.terminate()


@contextmanager
def nginx(behind: int, folder: Path) -> Iterator[tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(f"""load_module /usr/lib/nginx/modules/ngx_stream_module.so; daemon off; master_process off;
        pid {folder}/pid; error_log stderr crit; events {{}}
        stream {{ map $ssl_preread_alpn_protocols $up {{ ~acme-tls/1 127.0.0.1:9; default 127.0.0.1:{behind}; }}
        server {{ listen 127.0.0.1:{port}; ssl_preread on; proxy_pass $up; }} }}""")
    with subprocess.Popen(["/usr/sbin/nginx", "-e", "stderr", "-c", str(config)]) as process:
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
        yield port, process.pid
        process.terminate()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hello() -> bytes:
    """Return a browser's first bytes."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="example.com").do_handshake()
    return outgoing.read()


@dataclass(frozen=True)
class Passage:
    """What passed, per second, per second of the CPU time of who passed it on, and what a connection cost it.

    Attributes:
        bytes_per_second, bytes_per_cpu_second: in one connection.
        cpu_per_connection, connection: seconds, for the hello of a browser and its answer.
    """

    bytes_per_second: float
    bytes_per_cpu_second: float | None
    cpu_per_connection: float | None
    connection: float

    def __str__(self) -> str:
        cpu = (
            f" ({self.bytes_per_cpu_second / 1e9:.2f} GB per CPU second), {self.cpu_per_connection * 1e6:.0f} us of CPU"
            if self.bytes_per_cpu_second and self.cpu_per_connection is not None
            else ","
        )
        return f"{self.bytes_per_second / 1e9:.2f} GB/s{cpu} and {self.connection * 1e6:.0f} us for a connection"


def measure(port: int, pid: int | None) -> Passage:
    """Measure a way to the backend; *pid* is who passes on, `None` if nobody does."""
    buffer, first = bytearray(1 << 20), hello()
    began, before = time.monotonic(), _cpu(pid)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"much, please")
        while connection.recv_into(buffer):
            pass
    wall, spent = time.monotonic() - began, _cpu(pid) - before
    began, before = time.monotonic(), _cpu(pid)
    for _ in range(CONNECTIONS):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(first)
            connection.recv_into(buffer)
    each, cpu = (time.monotonic() - began) / CONNECTIONS, (_cpu(pid) - before) / CONNECTIONS
    known = pid is not None and spent > 0
    return Passage(TOTAL / wall, TOTAL / spent if known else None, cpu if known else None, each)


def _cpu(pid: int | None) -> float:
    return 0.0 if pid is None else cpu_seconds(pid)


def passages() -> Iterator[tuple[str, Passage]]:
    """Measure directly, through the front, and through nginx if it is there."""
    with backend_port() as behind, tempfile.TemporaryDirectory() as folder:
        yield "directly", measure(behind, None)
        with front(behind, Path(folder)) as (port, pid):
            yield "acmez-tls-alpn", measure(port, pid)
        if shutil.which("nginx", path="/usr/sbin") is not None:
            with nginx(behind, Path(folder)) as (port, pid):
                yield "nginx with ssl_preread", measure(port, pid)


def main() -> None:
    for name, passage in passages():
        sys.stdout.write(f"{name}: {passage}\n")


if __name__ == "__main__":
    main()
