"""Real scripts, as people wrote them for lego and for certbot, keep a zone file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from acmez_dns_exec import ExecSolver, ProgramError

from acmez.acme.challenges import txt_record
from acmez.acme.errors import InputError
from acmez.dns import DnsOptions
from acmez.options import Secret
from tests.dns.contract import DnsSolverContract
from tests.dns.zone_file import ZoneFile

KNOWN = DnsOptions(cname="never", zones=["example.test"])

LEGO = """
set -eu
name=${2%.example.test.} value=$3
exec 9>"$ZONE.lock"; flock 9
case $1 in
  present) grep -qxF "$name 60 TXT \\"$value\\"" "$ZONE" || echo "$name 60 TXT \\"$value\\"" >>"$ZONE" ;;
  cleanup) grep -vxF "$name 60 TXT \\"$value\\"" "$ZONE" >"$ZONE.new" || true; mv "$ZONE.new" "$ZONE" ;;
esac
"""

RECORD = """
echo "$*" >>"$LOG.arguments"
python3 -c 'import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k[:5] in ("ACMEZ", "CERTB")}))' \\
  >>"$LOG"
echo "record 42"
"""


@pytest.fixture
def provider(tmp_path: Path) -> ZoneFile:
    return ZoneFile(tmp_path / "zone")


class TestLego(DnsSolverContract):
    """A script for lego's exec provider."""

    @pytest.fixture
    def solver(self, program, provider: ZoneFile) -> ExecSolver:
        environment = {"ZONE": Secret(provider.path)}
        return ExecSolver(program=program(LEGO), environment=environment, dns=KNOWN, concurrency=2)


class Log:
    """What programs were told."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def environments(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    @property
    def arguments(self) -> list[str]:
        return Path(f"{self.path}.arguments").read_text().splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def test_lego_is_told_action_name_and_value(program, log, challenge_for, scope, monkeypatch):
    monkeypatch.delenv("ACMEZ_PEBBLE_CACHE", raising=False)
    solver = ExecSolver(
        program=program(RECORD), arguments=["--quiet"], environment={"LOG": Secret(log.path)}, dns=KNOWN
    )
    challenge = challenge_for("www.example.test", "dns-account-01")
    solver.clean_up(challenge, solver.present(challenge, scope), scope)
    record = txt_record(challenge)
    assert log.arguments == [f"--quiet {action} {record.name}. {record.value}" for action in ("present", "cleanup")]
    assert log.environments[0] == {
        "ACMEZ_ACTION": "present",
        "ACMEZ_CHALLENGE_TYPE": "dns-account-01",
        "ACMEZ_IDENTIFIER": "www.example.test",
        "ACMEZ_RECORD_NAME": record.name,
        "ACMEZ_RECORD_VALUE": record.value,
        "ACMEZ_ZONE": "example.test",
    }


def test_raw_lego_is_told_domain_token_and_key_authorization(program, log, challenge_for, scope):
    solver = ExecSolver(program=program(RECORD), style="lego-raw", environment={"LOG": Secret(log.path)})
    challenge = challenge_for("example.test", wildcard=True)
    solver.clean_up(challenge, solver.present(challenge, scope), scope)
    told = f"-- example.test {challenge.token} {challenge.key_authorization}"
    assert log.arguments == [f"present {told}", f"cleanup {told}"]
    with pytest.raises(InputError, match="style 'lego-raw' has no way to tell"):
        solver.present(challenge_for("example.test", "dns-persist-01"), scope)


class TestCertbot:
    @pytest.fixture
    def solver(self, program, log: Log) -> ExecSolver:
        return ExecSolver(
            program=program(RECORD, "authenticate.sh"),
            clean_up_program=program(RECORD, "clean-up.sh"),
            style="certbot",
            environment={"LOG": Secret(log.path)},
        )

    def test_it_is_told_in_its_environment(self, solver, log, challenge_for, scope):
        challenges = [challenge_for("example.test"), challenge_for("a.example.test")]
        handles = solver.present_many(challenges, scope)
        solver.clean_up_many(challenges, handles, scope)
        assert log.arguments == [""] * 4
        told = [
            {name: value for name, value in each.items() if name.startswith("CERTBOT")} for each in log.environments
        ]
        every = "example.test,a.example.test"
        first = {
            "CERTBOT_DOMAIN": "example.test",
            "CERTBOT_IDENTIFIER": "example.test",
            "CERTBOT_VALIDATION": txt_record(challenges[0]).value,
            "CERTBOT_ALL_DOMAINS": every,
            "CERTBOT_ALL_IDENTIFIERS": every,
            "CERTBOT_REMAINING_CHALLENGES": "1",
        }
        assert told[0] == first
        assert told[1]["CERTBOT_REMAINING_CHALLENGES"] == "0"
        assert told[2] == first | {"CERTBOT_AUTH_OUTPUT": "record 42"}

    def test_without_a_clean_up_program_nothing_is_removed(self, program, log, challenge_for, scope):
        solver = ExecSolver(program=program(RECORD), style="certbot", environment={"LOG": Secret(log.path)})
        challenge = challenge_for("example.test")
        solver.clean_up(challenge, solver.present(challenge, scope), scope)
        assert len(log.environments) == 1

    def test_a_persistent_record_can_be_told_and_stays(self, solver, log, challenge_for, scope):
        challenge = challenge_for("example.test", "dns-persist-01")
        solver.clean_up(challenge, solver.present(challenge, scope), scope)
        assert [each["CERTBOT_VALIDATION"] for each in log.environments] == [txt_record(challenge).value]

    def test_a_record_of_an_account_cannot_be_told(self, solver, challenge_for, scope):
        with pytest.raises(InputError, match="style 'certbot' has no way to tell where the record goes"):
            solver.present(challenge_for("example.test", "dns-account-01"), scope)


class TestFailures:
    def told(self, solver: ExecSolver, challenge, scope) -> str:
        with pytest.raises(ProgramError) as caught:
            solver.present(challenge, scope)
        return str(caught.value)

    def test_the_end_of_what_it_wrote_is_told(self, program, challenge_for, scope):
        path = program("echo 'bad\033[31m credentials' >&2; exit 3")
        message = self.told(ExecSolver(program=path, dns=KNOWN), challenge_for("example.test"), scope)
        assert (
            message
            == f"{path}: exit status 3 for '_acme-challenge.example.test': bad\N{REPLACEMENT CHARACTER}[31m credentials"
        )

    def test_secrets_are_not(self, program, challenge_for, scope):
        path = program('echo "$API_TOKEN $5 $4"; exit 1')
        solver = ExecSolver(program=path, style="lego-raw", environment={"API_TOKEN": Secret("s3cr3t")})
        challenge = challenge_for("example.test")
        message = self.told(solver, challenge, scope)
        assert message.endswith(": *** *** ***")
        assert "s3cr3t" not in repr(solver)

    def test_a_signal_is_told(self, program, challenge_for, scope):
        message = self.told(ExecSolver(program=program("kill -9 $$"), dns=KNOWN), challenge_for("example.test"), scope)
        assert "ended by signal 9" in message

    def test_one_that_cannot_be_cleaned_up_does_not_keep_the_others(self, program, log, challenge_for, scope):
        path = program(RECORD + 'case "$*" in *bad*) exit 1;; esac')
        solver = ExecSolver(program=path, environment={"LOG": Secret(log.path)}, dns=KNOWN)
        challenges = [challenge_for("bad.example.test"), challenge_for("good.example.test")]
        with pytest.raises(ProgramError, match="exit status 1 for '_acme-challenge\\.bad"):
            solver.clean_up_many(challenges, [None, None], scope)
        assert len(log.arguments) == 2
