"""`python -m benchmarks.overheads`: what plugins cost beside doing without them; writes it to docs/performance.md."""

from __future__ import annotations

import os
import runpy
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from acmez import Secret, files
from acmez.acme.identifier import Identifier
from acmez.acme.jws import PrivateKey, SigningKey
from acmez.protocols import CancelScope, Challenge
from acmez.tls import ReloadingContext
from benchmarks.clients import ROOT
from benchmarks.report import insert
from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess

BEGIN = "<!-- overheads: `python -m benchmarks.overheads` writes from here -->"
END = "<!-- overheads: to here -->"
ROUNDS = 5
ANSWER = "tok-EN_1"
SOFTHSM = [Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")]


def main() -> int:
    page = ROOT / "docs" / "performance.md"
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        lines = [
            line for section in (passing, middlewares, redis, signing, reloading) for line in section(Path(folder))
        ]
    report = "\n".join([f"Load before: {load:.2f}. Python {sys.version.split()[0]}.", *lines])
    insert(page, report, BEGIN, END)
    sys.stdout.write(f"{report}\n")
    return 0


def seconds(call: Callable[[], object], times: int) -> float:
    """Return what one call takes, in the best of several rounds."""
    return min(_round(call, times) for _ in range(ROUNDS))


def microseconds(calls: Mapping[str, Callable[[], object]], times: int, rounds: int) -> dict[str, list[str]]:
    """Return what one of each takes, in the best of several rounds, which take turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(_round(call, times))
    return {name: [f"{min(each) * 1e6:.0f} µs"] for name, each in taken.items()}


def _round(call: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


def table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield from ("", f"### {title}", "", f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}")
    for name, values in rows.items():
        yield f"| {name} | {' | '.join(values)} |"


def of_plugin(name: str, script: str) -> Mapping[str, Any]:
    """Return the functions of a plugin's own benchmark."""
    return runpy.run_path(str(ROOT / "plugins" / name / "benchmarks" / script))


def passing(folder: Path) -> Iterator[str]:
    passages = of_plugin("acmez-tls-alpn", "front.py")["passages"]
    taken: dict[str, list[Any]] = {}
    for _ in range(ROUNDS):
        for name, passed in passages():
            taken.setdefault(name, []).append(passed)
    rows = {}
    for name, each in taken.items():
        per_cpu = [passed.bytes_per_cpu_second for passed in each if passed.bytes_per_cpu_second is not None]
        cpu = [passed.cpu_per_connection for passed in each if passed.cpu_per_connection is not None]
        rows[name] = [
            f"{max(passed.bytes_per_second for passed in each) / 1e9:.2f} GB/s",
            f"{max(per_cpu) / 1e9:.1f} GB" if per_cpu else "-",
            f"{min(passed.connection for passed in each) * 1e6:.0f} µs",
            f"{min(cpu) * 1e6:.0f} µs" if cpu else "-",
        ]
    columns = ["one connection", "for a second of its CPU", "a new connection", "its CPU for that"]
    yield from table("acmez-tls-alpn in front of a site: connections that are not the CA's", columns, rows)


def middlewares(folder: Path) -> Iterator[str]:
    added = of_plugin("acmez-http-app", "middleware.py")["nanoseconds"]()
    rows = {kind: [f"{nanoseconds:.0f} ns"] for kind, nanoseconds in added.items()}
    yield from table("acmez-http-app: a request that is not the CA's", ["added by the middleware"], rows)


def redis(folder: Path) -> Iterator[str]:
    from acmez_http_redis import HttpRedisSolver

    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        return
    scope = CancelScope()
    challenge = Challenge(
        type="http-01", url="", status="pending", identifier=Identifier.dns("example.com"), token=ANSWER, thumbprint="t"
    )
    with ReservedPorts(1) as reserved:
        port = reserved.numbers[0]
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
        with ServerProcess(command, folder / "redis.log", {}, folder) as server:
            server.wait_until(lambda: socket.create_connection(("127.0.0.1", port)).close())
            solver = HttpRedisSolver(Secret(f"redis://127.0.0.1:{port}"))

            def present_and_clean_up() -> None:
                solver.present(challenge, scope)
                solver.clean_up(challenge, None, scope)

            both = seconds(present_and_clean_up, 500)
            solver.present(challenge, scope)
            found = seconds(lambda: solver.find(ANSWER), 1000)
            missed = seconds(lambda: solver.find("none"), 1000)
            solver.clean_up(challenge, None, scope)
            solver.store.close()
    rows = {
        "present and clean up": [f"{both * 1e6:.0f} µs"],
        "a node finds an answer": [f"{found * 1e6:.0f} µs"],
        "a node finds none": [f"{missed * 1e6:.0f} µs"],
    }
    yield from table("acmez-http-redis: a redis-server on the same machine", ["time"], rows)


def signing(folder: Path) -> Iterator[str]:
    rows = {"key in memory": _signs(ec.generate_private_key(ec.SECP256R1()), 500)}
    with ExitStack() as stack:
        for name, key in (("acmez-key-pkcs11, SoftHSM", _token), ("acmez-key-aws-kms, moto's server", _kms)):
            rows[name] = _signs(stack.enter_context(key(folder)), 100)
    yield from table("Keys that live elsewhere: one ES256 signature", ["time"], rows)
    yield ""
    yield "A certificate takes seven signatures or so. A real HSM or KMS adds what it takes, and the way there."


def _signs(key: PrivateKey, times: int) -> list[str]:
    signing_key = SigningKey(key)
    return [f"{seconds(lambda: signing_key.sign(b'protected.payload'), times) * 1e6:.0f} µs"]


@contextmanager
def _token(folder: Path) -> Iterator[PrivateKey]:
    from acmez_key_pkcs11 import Pkcs11Key

    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    with patch.dict(os.environ, {"SOFTHSM2_CONF": str(config)}):
        command = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            "bench",
            "--so-pin",
            "12345678",
            "--pin",
            "1234",
        ]
        subprocess.run(command, check=True, capture_output=True)
        module = next(path for path in SOFTHSM if path.exists())
        yield Pkcs11Key(module, "bench", "key", pin=Secret("1234"), create=True).get("account")


@contextmanager
def _kms(folder: Path) -> Iterator[PrivateKey]:
    import boto3  # type: ignore[import-untyped, unused-ignore]
    from acmez_key_aws_kms import AwsKmsKey

    credentials = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-central-1"}
    with ReservedPorts(1) as reserved, patch.dict(os.environ, credentials):
        port = reserved.numbers[0]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with ServerProcess(command, folder / "moto.log", {**os.environ}, folder) as server:
            server.wait_until(lambda: socket.create_connection(("127.0.0.1", port)).close())
            url = f"http://127.0.0.1:{port}"
            made = boto3.client("kms", endpoint_url=url).create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
            yield AwsKmsKey(made["KeyMetadata"]["KeyId"], endpoint_url=url).get("account")


def reloading(folder: Path) -> Iterator[str]:
    authority = trustme.CA()
    directory = folder / "certificate"
    directory.mkdir()

    def renew() -> None:
        issued = authority.issue_cert("example.com")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        files.write_all(
            directory,
            [("fullchain.pem", chain, 0o644), ("privkey.pem", issued.private_key_pem.bytes(), 0o600)],
        )

    renew()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain.load_cert_chain(directory / "fullchain.pem", directory / "privkey.pem")
    lazy, eager = ReloadingContext(directory), ReloadingContext(directory, check_every=0.0)
    count = iter(range(sys.maxsize))

    def renewing() -> None:
        if next(count) % 50 == 0:
            renew()
        handshake(client, eager)

    calls = {
        "`ssl.SSLContext`": lambda: handshake(client, plain),
        "`ReloadingContext`, looking each second": lambda: handshake(client, lazy),
        "looking at every handshake": lambda: handshake(client, eager),
        "that, and a renewal every 50 handshakes, issuing included": renewing,
    }
    rows = microseconds(calls, 50, 20)
    yield from table("`ReloadingContext`: one TLS 1.3 handshake, both sides", ["time"], rows)


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Make both sides of a handshake in memory; raises what either of them objects to."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname="example.com")
    theirs = server.wrap_bio(up, down, server_side=True)
    waiting = [ours, theirs]
    while waiting:
        for side in [*waiting]:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)


if __name__ == "__main__":
    sys.exit(main())
