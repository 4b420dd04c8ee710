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
from pathlib import Path

TOTAL = 4_000_000_000  # bytes in one connection
CONNECTIONS = 2000


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


def measure(port: int, pid: int) -> str:
    buffer, first = bytearray(1 << 20), hello()
    before, began = cpu_seconds(pid), time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"much, please")
        while connection.recv_into(buffer):
            pass
    spent, wall = cpu_seconds(pid) - before, time.monotonic() - began
    throughput = f"{TOTAL / wall / 1e9:.2f} GB/s ({TOTAL / spent / 1e9:.2f} GB per CPU second)"
    before = cpu_seconds(pid)
    for _ in range(CONNECTIONS):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(first)
            connection.recv_into(buffer)
    spent = cpu_seconds(pid) - before
    return f"{throughput}, {spent / CONNECTIONS * 1e6:.0f} us of CPU for a connection"


def main() -> None:
    with backend_port() as behind, tempfile.TemporaryDirectory() as folder:
        for place in (front, nginx):
            if place is nginx and shutil.which("nginx", path="/usr/sbin") is None:
                continue
            with place(behind, Path(folder)) as (port, pid):
                sys.stdout.write(f"{place.__name__:>6}: {measure(port, pid)}\n")


if __name__ == "__main__":
    main()
