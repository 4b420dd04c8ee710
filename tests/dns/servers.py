"""Real name servers on free loopback ports: BIND, Knot and PowerDNS, and unbound as a CA's resolver.

Each runs in a folder of its own, as whoever runs the tests, and ends with its `with` block. What Debian calls the
packages: bind9, knot, pdns-server with pdns-backend-sqlite3, unbound.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.zone

from tests.pebble.processes import ServerProcess

SECRET = "YWNtZXotdGVzdC1zZWNyZXQtb2YtdGhpcnR5LXR3byE="
ENVIRON = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
SIGNATURES = {"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "TYPE65534", "SOA"}


@dataclass(frozen=True)
class TsigKey:
    """A key that a server knows."""

    name: str = "acme-key"
    secret: str = SECRET
    algorithm: str = "hmac-sha256"

    @property
    def keyring(self) -> dns.tsig.Key:
        return dns.tsig.Key(self.name, self.secret, self.algorithm)


@dataclass(frozen=True)
class Zone:
    """A zone of a server.

    Attributes:
        records: lines of a zone file.
        primary: "address:port" to transfer it from.
        notify: "address:port" of secondaries.
        nameservers: host below the zone -> address.
        signed: whether Knot signs it.
    """

    name: str
    records: Sequence[str] = ()
    primary: str | None = None
    notify: Sequence[str] = ()
    nameservers: Mapping[str, str] | None = None
    refresh: int = 2
    signed: bool = False

    @property
    def text(self) -> str:
        hosts = self.nameservers or {"ns1": "127.0.0.1"}
        lines = [
            f"$ORIGIN {self.name}.",
            "$TTL 300",
            f"@ IN SOA ns1 hostmaster 1 {self.refresh} 1 3600 1",
            *(f"@ IN NS {host}" for host in hosts),
            *(f"{host} IN {'AAAA' if ':' in address else 'A'} {address}" for host, address in hosts.items()),
            *self.records,
        ]
        return "\n".join(lines) + "\n"


def notify(address: str, port: int, zone: str) -> None:
    """Tell a secondary server, as its primary would, that a zone has changed (RFC 1996)."""
    message = dns.message.make_query(zone, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags & ~dns.flags.RD) | dns.flags.AA
    dns.query.udp(message, address, port=port, timeout=5)


class MissingError(Exception):
    """A program is not installed."""


class DnsServer(ABC):
    """One running name server.

    Attributes:
        keys: which it accepts, for every update; the first one may transfer zones too.
    """

    program: ClassVar[str]
    package: ClassVar[str]

    def __init__(
        self,
        folder: Path,
        port: int,
        zones: Sequence[Zone] = (),
        *,
        address: str = "127.0.0.1",
        keys: Sequence[TsigKey] = (TsigKey(),),
    ) -> None:
        self.address = address
        self.port = port
        self.zones = zones
        self.keys = keys
        self.folder = folder / f"{self.program}-{address}-{port}"
        self._stack = contextlib.ExitStack()

    @property
    def where(self) -> str:
        return f"{self.address}:{self.port}"

    def __enter__(self) -> Self:
        program = shutil.which(self.program, path=ENVIRON["PATH"])
        if program is None:
            raise MissingError(f"{self.program} is not installed (Debian: {self.package})")
        self.folder.mkdir(parents=True)
        for zone in self.zones:
            if not zone.primary:
                (self.folder / f"{zone.name}.zone").write_text(zone.text)
        command = self._prepare(program)
        self._process = self._stack.enter_context(ServerProcess(command, self.folder / "log", ENVIRON, self.folder))
        try:
            self._process.wait_until(self._is_up)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGCONT)
        self._stack.close()

    @abstractmethod
    def _prepare(self, program: str) -> list[str]:
        """Write what the program reads, and return how to start it."""

    def _is_up(self) -> None:
        name = self.zones[0].name if self.zones else "."
        for ask in (dns.query.tcp, dns.query.udp):
            try:
                answer = ask(dns.message.make_query(name, "SOA"), self.address, port=self.port, timeout=1)
            except (dns.exception.DNSException, EOFError) as error:
                raise OSError(str(error)) from error
            if self.zones and answer.rcode() != dns.rcode.NOERROR:
                raise OSError(dns.rcode.to_text(answer.rcode()))

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it answer nobody for a while."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def notify(self, zone: str) -> None:
        """Tell it, as its primary would, that the zone has changed (RFC 1996)."""
        notify(self.address, self.port, zone)

    def ask(self, name: str, kind: str = "TXT") -> list[str]:
        """Return the records at *name*, as text."""
        query = dns.message.make_query(name, kind)
        query.use_tsig(self.keys[0].keyring)
        answer = dns.query.tcp(query, self.address, port=self.port, timeout=5)
        wanted = dns.rdatatype.from_text(kind)
        return sorted(str(record) for each in answer.answer if each.rdtype == wanted for record in each)

    def dump(self, zone: str) -> list[str]:
        """Return everything in a zone by zone transfer, but what signing makes and the serial."""
        query = dns.message.make_query(zone, "AXFR")
        query.use_tsig(self.keys[0].keyring)
        made = dns.zone.Zone(zone)
        dns.query.inbound_xfr(self.address, made, query, port=self.port, timeout=5)
        return sorted(
            f"{name} {ttl} {dns.rdatatype.to_text(record.rdtype)} {record}"
            for name, ttl, record in made.iterate_rdatas()
            if dns.rdatatype.to_text(record.rdtype) not in SIGNATURES
        )


class Bind(DnsServer):
    """BIND 9, as a primary; it listens on 127.0.0.1 only, since it wants its address to be an interface's."""

    program = "named"
    package = "bind9"

    def __init__(
        self, folder: Path, port: int, zones: Sequence[Zone] = (), *, statistics_port: int | None = None, **more: Any
    ) -> None:
        """Listen on ::1 as well, and count queries, if there is a port for statistics."""
        super().__init__(folder, port, zones, **more)
        self.statistics_port = statistics_port

    def queries(self) -> int:
        """Return how many it was asked so far."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.statistics_port, timeout=5)) as connection:
            connection.request("GET", "/json/v1/server")
            counted: int = json.loads(connection.getresponse().read())["opcodes"].get("QUERY", 0)
        return counted

    def _prepare(self, program: str) -> list[str]:
        keys = "".join(
            f'key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};\n' for key in self.keys
        )
        (self.folder / "named.conf").write_text(
            f"""{keys}
controls {{ }};
{self._statistics()}
options {{
  directory "{self.folder}"; pid-file "{self.folder}/pid"; session-keyfile "{self.folder}/session.key"; lock-file none;
  listen-on port {self.port} {{ {self.address}; }};
  listen-on-v6 port {self.port} {{ {"::1" if self.statistics_port else "none"}; }};
  recursion no; dnssec-validation no; empty-zones-enable no; minimal-responses yes;
  serial-query-rate 1000; transfers-in 100; tcp-clients 300;
}};
"""
            + "".join(self._zone(zone) for zone in self.zones)
        )
        return [program, "-g", "-n", "1", "-c", str(self.folder / "named.conf")]

    def _statistics(self) -> str:
        port = self.statistics_port
        return f"statistics-channels {{ inet 127.0.0.1 port {port}; }};" if port else ""

    def _zone(self, zone: Zone) -> str:
        first = self.keys[0].name
        granted = " ".join(f'grant "{key.name}" zonesub ANY;' for key in self.keys)
        kind = f"type primary; update-policy {{ {granted} }};"
        notified = " ".join(f"{each.rsplit(':', 1)[0]} port {each.rsplit(':', 1)[1]};" for each in zone.notify)
        return (
            f'zone "{zone.name}" {{ {kind} file "{zone.name}.zone"; allow-transfer {{ key "{first}"; }};'
            f" notify explicit; notify-delay 0; also-notify {{ {notified} }}; }};\n"
        )


class Knot(DnsServer):
    """Knot DNS, as a primary or a secondary."""

    program = "knotd"
    package = "knot"

    def _prepare(self, program: str) -> list[str]:
        keys = "".join(
            f"  - id: {key.name}\n    algorithm: {key.algorithm}\n    secret: {key.secret}\n" for key in self.keys
        )
        remotes = "".join(
            f"  - id: {primary}\n    address: {primary}\n    key: {self.keys[0].name}\n"
            for primary in sorted({zone.primary.replace(":", "@") for zone in self.zones if zone.primary})
        )
        allowed = ", ".join(key.name for key in self.keys)
        (self.folder / "knot.conf").write_text(
            f"server:\n  rundir: {self.folder}\n  listen: {self.address}@{self.port}\n"
            "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
            f"database:\n  storage: {self.folder}\n"
            f"log:\n  - target: stderr\n    any: info\nkey:\n{keys}"
            f"acl:\n  - id: all\n    key: [{allowed}]\n    action: [update, transfer]\n"
            "  - id: notify\n    address: 127.0.0.0/8\n    action: notify\n"
            + (f"remote:\n{remotes}" if remotes else "")
            + "zone:\n"
            + "".join(self._zone(zone) for zone in self.zones)
        )
        return [program, "-c", str(self.folder / "knot.conf")]

    def _zone(self, zone: Zone) -> str:
        if zone.primary:
            kind = f"    master: {zone.primary.replace(':', '@')}\n"
        else:
            kind = "    zonefile-load: difference-no-serial\n    journal-content: all\n"
        return (
            f"  - domain: {zone.name}\n    file: {zone.name}.zone\n    storage: {self.folder}\n    acl: [all, notify]\n"
            f"    zonefile-sync: -1\n{kind}" + ("    dnssec-signing: on\n" if zone.signed else "")
        )


class PowerDns(DnsServer):
    """PowerDNS with SQLite, which takes updates and has an HTTP API.

    Attributes:
        api_port: where the API is.
    """

    program = "pdns_server"
    package = "pdns-server pdns-backend-sqlite3"
    api_key = "api-key-of-the-tests"
    schema = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")

    def __init__(self, folder: Path, port: int, zones: Sequence[Zone] = (), *, api_port: int, **more: Any) -> None:
        super().__init__(folder, port, zones, **more)
        self.api_port = api_port

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def _prepare(self, program: str) -> list[str]:
        if not self.schema.is_file():
            raise MissingError("PowerDNS has no SQLite (Debian: pdns-backend-sqlite3)")
        with contextlib.closing(sqlite3.connect(self.folder / "db")) as database:
            database.executescript(self.schema.read_text())
        lines = {
            "launch": "gsqlite3",
            "gsqlite3-database": self.folder / "db",
            "local-address": self.address,
            "local-port": self.port,
            "socket-dir": self.folder,
            "daemon": "no",
            "guardian": "no",
            "dnsupdate": "yes",
            "allow-dnsupdate-from": "127.0.0.0/8",
            "api": "yes",
            "api-key": self.api_key,
            "webserver": "yes",
            "webserver-address": "127.0.0.1",
            "webserver-port": self.api_port,
            "primary": "yes",
            "only-notify": "",
            "security-poll-suffix": "",
            "zone-cache-refresh-interval": "0",
        }
        config = "".join(f"{name}={value}\n" for name, value in lines.items())
        (self.folder / "pdns.conf").write_text(config)
        for key in self.keys:
            self._util("import-tsig-key", key.name, key.algorithm, key.secret)
        for zone in self.zones:
            self._util("load-zone", zone.name, str(self.folder / f"{zone.name}.zone"))
        with contextlib.closing(sqlite3.connect(self.folder / "db")) as database:
            metadata = [
                *(("TSIG-ALLOW-DNSUPDATE", key.name) for key in self.keys),
                ("TSIG-ALLOW-AXFR", self.keys[0].name),
                ("SOA-EDIT-DNSUPDATE", "INCREASE"),
            ]
            for kind, content in metadata:
                database.execute(
                    "insert into domainmetadata (domain_id, kind, content) select id, ?, ? from domains",
                    (kind, content),
                )
            database.commit()
        return [program, f"--config-dir={self.folder}"]

    def _util(self, *arguments: str) -> None:
        command = ["pdnsutil", f"--config-dir={self.folder}", *arguments]
        subprocess.run(command, env=ENVIRON, check=True, capture_output=True, timeout=30)


class Unbound(DnsServer):
    """unbound, which resolves *stubs* (zone -> "address:port" of its servers) and nothing else.

    Attributes:
        anchors: DNSKEY records to trust; without any it does not validate.
    """

    program = "unbound"
    package = "unbound"

    def __init__(
        self, folder: Path, port: int, *, stubs: Mapping[str, Sequence[str]], anchors: Sequence[str] = ()
    ) -> None:
        super().__init__(folder, port)
        self.stubs = stubs
        self.anchors = anchors

    def _prepare(self, program: str) -> list[str]:
        top = {zone.rsplit(".", 1)[-1] for zone in self.stubs}
        (self.folder / "unbound.conf").write_text(
            f'server:\n  directory: "{self.folder}"\n  pidfile: "{self.folder}/pid"\n  chroot: ""\n  username: ""\n'
            f"  interface: {self.address}@{self.port}\n  num-threads: 1\n  do-ip6: no\n  do-daemonize: no\n"
            "  do-not-query-localhost: no\n  cache-max-ttl: 0\n  cache-max-negative-ttl: 0\n  use-syslog: no\n"
            '  logfile: ""\n  outgoing-range: 60\n'
            f'  module-config: "{"validator iterator" if self.anchors else "iterator"}"\n'
            + "".join(f'  trust-anchor: "{anchor}"\n' for anchor in self.anchors)
            + "".join(f'  local-zone: "{each}." nodefault\n' for each in sorted(top))
            + "remote-control:\n  control-enable: no\n"
            + "".join(self._stub(zone, servers) for zone, servers in self.stubs.items())
        )
        return [program, "-d", "-p", "-c", str(self.folder / "unbound.conf")]

    def _stub(self, zone: str, servers: Sequence[str]) -> str:
        addresses = "".join(f"  stub-addr: {each.replace(':', '@')}\n" for each in servers)
        return f'stub-zone:\n  name: "{zone}."\n{addresses}  stub-no-cache: yes\n'

    def _is_up(self) -> None:
        query = dns.message.make_query(next(iter(self.stubs)), "SOA")
        for ask in (dns.query.tcp, dns.query.udp):
            try:
                ask(query, self.address, port=self.port, timeout=1)
            except (dns.exception.DNSException, EOFError) as error:
                raise OSError(str(error)) from error
