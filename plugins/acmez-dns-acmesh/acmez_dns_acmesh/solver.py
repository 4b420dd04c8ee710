"""The solver: its options, and how a script of acme.sh is called."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from acmez_dns_exec.running import ProgramError, run

from acmez.acme.wire import printable
from acmez.dns import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder, ZoneRecord
from acmez.dns.checks import check_seconds
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge, Handle

_API = re.compile(r"dns_[A-Za-z0-9_]+\Z")
# Of this process's own variables; the others may be somebody's secrets, or settings of another script.
_PASSED = {
    *("HOME", "PATH", "TMPDIR", "TZ", "LANG"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"),
}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Without arguments acme.sh shows its help and ends its main function, and then everything that scripts use is there.
# A script calls `exit` where it should not: in a shell of its own that ends nothing else.
_SCRIPT = """
. "$LE_WORKING_DIR/acme.sh" >/dev/null
_initpath "$ACMEZ_IDENTIFIER"
. "$LE_WORKING_DIR/dnsapi/$ACMEZ_API.sh"
"${ACMEZ_API}_$ACMEZ_ACTION" "$ACMEZ_RECORD_NAME" "$ACMEZ_RECORD_VALUE"
"""


@dataclass
class AcmeShSolver:
    """Answers DNS challenges with one of the scripts for DNS providers that come with acme.sh.

    Attributes:
        home: the directory of acme.sh, with `acme.sh` and `dnsapi`.
        api: name of the script: "dns_gandi_livedns".
        environment: its variables, as acme.sh's documentation tells them: "GANDI_LIVEDNS_TOKEN". Of this process's own
            it gets what programs need to run and to reach the internet, and nothing else.
        config_home: where acme.sh keeps its `account.conf`, with variables that it saved earlier and will save; by
            default nothing is read, and nothing saved.
        timeout: seconds after which a script is killed.
        concurrency: how many scripts run at once.
        dns: how aliases are found; the zone is the script's business.

    Raises:
        ValueError: there is no such script, or a value is impossible.
    """

    name: ClassVar[str] = "dns-acmesh"
    challenge_type: ClassVar[str] = DNS_CHALLENGE_TYPES[0]
    other_types: ClassVar[tuple[str, ...]] = DNS_CHALLENGE_TYPES[1:]

    home: Path
    api: str
    environment: dict[str, Secret] = field(default_factory=dict)
    config_home: Path | None = None
    timeout: float = 300.0
    concurrency: int = 1
    dns: DnsOptions = field(default_factory=DnsOptions)

    def __post_init__(self) -> None:
        if not _API.match(self.api):
            raise ValueError(f"api: {self.api!r} is no name of a script (did you mean 'dns_{self.api}'?)")
        for file in ("acme.sh", f"dnsapi/{self.api}.sh"):
            if not (self.home / file).is_file():
                raise ValueError(f"{'home' if file == 'acme.sh' else 'api'}: no such file: '{self.home / file}'")
        check_seconds("timeout", self.timeout, most=86400)
        if self.concurrency < 1:
            raise ValueError(f"concurrency: {self.concurrency} scripts do nothing")
        self._finder = RecordFinder(self.dns)

    @classmethod
    def providers(cls) -> Iterable[str]:
        """The scripts of your acme.sh, which is looked for in LE_WORKING_DIR, or else ~/.acme.sh."""
        home = os.environ.get("LE_WORKING_DIR")
        directory = Path(home) if home else Path.home() / ".acme.sh"
        return sorted(script.stem for script in directory.glob("dnsapi/dns_*.sh"))

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Let the script add the record; return where it is.

        Raises:
            ProgramError: it fails, or takes too long.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended; the script is killed.
        """
        record = self._finder.find(challenge, scope)
        self._run("add", record, challenge, scope)
        return record.handle()

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Let the script remove the record; raises like `present`."""
        for record in self._finder.to_remove([challenge], [handle], scope):
            self._run("rm", record, challenge, scope)

    def _run(self, action: str, record: ZoneRecord, challenge: Challenge, scope: CancelScope) -> None:
        with tempfile.TemporaryDirectory(prefix="acmez-acmesh-") as nothing:
            environment = self._environment(action, record, challenge, self.config_home or Path(nothing))
            outcome = run(["/bin/sh", "-c", _SCRIPT, "acme.sh"], environment, self.timeout, scope)
        if outcome.status:
            told = self._told(outcome.errors.strip() or outcome.output.strip())
            raise ProgramError(f"{self.api}_{action}: failed for {record.name!r}{told}")

    def _environment(
        self, action: str, record: ZoneRecord, challenge: Challenge, config_home: Path
    ) -> Mapping[str, str]:
        home = str(self.home.absolute())
        return {
            **{name: value for name, value in os.environ.items() if name in _PASSED or name.startswith("LC_")},
            "ACMEZ_ACTION": action,
            "ACMEZ_API": self.api,
            "ACMEZ_IDENTIFIER": challenge.identifier.value,
            "ACMEZ_RECORD_NAME": record.name,
            "ACMEZ_RECORD_VALUE": record.value,
            "LE_WORKING_DIR": home,
            "LE_CONFIG_HOME": str(config_home.absolute()),
            "_SCRIPT_HOME": home,
            **self.environment,
        }

    def _told(self, text: str) -> str:
        """The end of what the script said, without colours and without our secrets."""
        text = _ANSI.sub("", text)
        for secret in self.environment.values():
            text = text.replace(secret, "***") if len(secret) > 3 else text
        return f": {printable(text[-1000:], 1000)}" if text else ""
