"""A script of the shape that acme.sh's guide asks for keeps a zone file, with as much of acme.sh as scripts use.

Set ACMESH_HOME to the directory of a real acme.sh, and its place is taken by that.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from acmez_dns_acmesh import AcmeShSolver
from acmez_dns_exec import ProgramError

from acmez import options
from acmez.acme.errors import Cancelled
from acmez.dns import DnsOptions
from acmez.kinds import SOLVER
from acmez.option_docs import options_of
from acmez.options import Secret
from acmez.plugins import PluginManager
from acmez.protocols import CancelScope
from tests.dns.contract import FOREIGN, DnsSolverContract
from tests.dns.fixtures import starting
from tests.dns.servers import Bind, Zone
from tests.dns.zone_file import ZoneFile

README = Path(__file__).parents[1] / "README.md"
KNOWN = DnsOptions(cname="never", zones=["example.test"])

# https://github.com/acmesh-official/acme.sh/wiki/DNS-API-Dev-Guide
STAND_IN = """#!/usr/bin/env sh
showhelp() { echo "Usage: acme.sh <command> ..."; }
_initpath() { [ -d "$LE_CONFIG_HOME" ] && ACCOUNT_CONF_PATH="$LE_CONFIG_HOME/account.conf"; }
_info() { printf '\\033[1;32m%s\\033[0m\\n' "$*"; }
_err() { printf '\\033[1;31m%s\\033[0m\\n' "$*" >&2; return 1; }
_saveaccountconf_mutable() { echo "SAVED_$1='$2'" >>"$ACCOUNT_CONF_PATH"; }
_readaccountconf_mutable() {
  [ -f "$ACCOUNT_CONF_PATH" ] && sed -n "s/^SAVED_$1='\\(.*\\)'/\\1/p" "$ACCOUNT_CONF_PATH"
}
main() {
  [ -z "$1" ] && showhelp && return
  "$@"
}
main "$@"
"""

SCRIPT = """#!/usr/bin/env sh
dns_file_add() {
  _dns_file_zone || return 1
  _info "adding $1"
  line="${1%.example.test} 60 TXT \\"$2\\""
  exec 9>"$FILE_ZONE.lock"; flock 9
  grep -qxF "$line" "$FILE_ZONE" || echo "$line" >>"$FILE_ZONE"
}
dns_file_rm() {
  _dns_file_zone || return 1
  exec 9>"$FILE_ZONE.lock"; flock 9
  grep -vxF "${1%.example.test} 60 TXT \\"$2\\"" "$FILE_ZONE" >"$FILE_ZONE.new" || true
  mv "$FILE_ZONE.new" "$FILE_ZONE"
}
_dns_file_zone() {
  FILE_ZONE="${FILE_ZONE:-$(_readaccountconf_mutable FILE_ZONE)}"
  if [ ! -f "$FILE_ZONE" ]; then
    _err "there is no zone $FILE_ZONE, $FILE_PASSWORD"
    return 1
  fi
  _saveaccountconf_mutable FILE_ZONE "$FILE_ZONE"
  [ -z "$FILE_SLEEP" ] || sleep "$FILE_SLEEP"
}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory of acme.sh with the script dns_file."""
    (tmp_path / "home/dnsapi").mkdir(parents=True)
    real = os.environ.get("ACMESH_HOME")
    if real is not None:
        shutil.copy(Path(real) / "acme.sh", tmp_path / "home")
    else:
        (tmp_path / "home/acme.sh").write_text(STAND_IN)
    (tmp_path / "home/dnsapi/dns_file.sh").write_text(SCRIPT)
    return tmp_path / "home"


@pytest.fixture
def provider(tmp_path: Path) -> ZoneFile:
    return ZoneFile(tmp_path / "zone")


@pytest.fixture
def solver(home: Path, provider: ZoneFile) -> AcmeShSolver:
    environment = {"FILE_ZONE": Secret(provider.path)}
    return AcmeShSolver(home=home, api="dns_file", environment=environment, dns=KNOWN, concurrency=2)


class TestContract(DnsSolverContract):
    """The tests of every DNS solver."""


NSUPDATE = """#!/usr/bin/env sh
dns_nsupdate_add() { _nsupdate "update add $1. 120 in txt \\"$2\\""; }
dns_nsupdate_rm() { _nsupdate "update delete $1. 0 in txt \\"$2\\""; }
_nsupdate() {
  nsupdate -k "$NSUPDATE_KEY" <<EOF || { _err "error updating domain"; return 1; }
server $NSUPDATE_SERVER $NSUPDATE_SERVER_PORT
zone $NSUPDATE_ZONE.
$1
send
EOF
}
"""


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    with starting() as start:
        (port,) = start.ports(1)
        yield start(Bind(tmp_path_factory.mktemp("bind"), port, [Zone("example.test", FOREIGN)]))


class TestNsupdate(DnsSolverContract):
    """The same with BIND and nsupdate, in the shape of acme.sh's own dns_nsupdate."""

    @pytest.fixture
    def provider(self, bind: Bind) -> Bind:
        return bind

    @pytest.fixture
    def solver(self, home: Path, provider: Bind) -> AcmeShSolver:
        (home / "dnsapi/dns_nsupdate.sh").write_text(NSUPDATE)
        key = provider.keys[0]
        (home / "key").write_text(f'key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};\n')
        environment = {
            "NSUPDATE_SERVER": Secret(provider.address),
            "NSUPDATE_SERVER_PORT": Secret(provider.port),
            "NSUPDATE_KEY": Secret(home / "key"),
            "NSUPDATE_ZONE": Secret("example.test"),
        }
        return AcmeShSolver(home=home, api="dns_nsupdate", environment=environment, dns=KNOWN, concurrency=2)

    def test_a_wrong_key_is_told(self, solver: AcmeShSolver, provider: Bind, home: Path, challenge_for, scope):
        before = provider.dump("example.test")
        (home / "key").write_text('key "acme-key" { algorithm hmac-sha256; secret "d3Jvbmc="; };\n')
        with pytest.raises(
            ProgramError, match=r"dns_nsupdate_add: failed for '_acme-challenge\.example\.test': (?s:.)*BADSIG"
        ):
            solver.present(challenge_for("example.test"), scope)
        assert provider.dump("example.test") == before


def test_a_script_sees_none_of_our_own_variables(home, tmp_path, challenge_for, scope, monkeypatch):
    monkeypatch.setenv("CF_Token", "of somebody else")
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    (home / "dnsapi/dns_env.sh").write_text('dns_env_add() { env >"$OUT"; }\n')
    environment = {"OUT": Secret(tmp_path / "out")}
    AcmeShSolver(home=home, api="dns_env", environment=environment, dns=KNOWN).present(
        challenge_for("example.test"), scope
    )
    seen = (tmp_path / "out").read_text()
    assert "of somebody else" not in seen
    assert "https_proxy=http://proxy.test:3128\n" in seen


def test_nothing_is_saved(solver, home, challenge_for, scope):
    before = sorted(home.rglob("*"))
    solver.present(challenge_for("example.test"), scope)
    assert sorted(home.rglob("*")) == before


def test_what_acme_sh_saved_is_read_where_that_is_wanted(solver, home, provider, tmp_path, challenge_for, scope):
    config = tmp_path / "config"
    config.mkdir()
    challenge = challenge_for("example.test")
    AcmeShSolver(home=home, api="dns_file", environment=solver.environment, config_home=config, dns=KNOWN).present(
        challenge, scope
    )
    assert "FILE_ZONE=" in (config / "account.conf").read_text()
    AcmeShSolver(home=home, api="dns_file", config_home=config, dns=KNOWN).clean_up(challenge, None, scope)
    assert provider.ask("_acme-challenge.example.test") == []


def test_what_a_script_says_is_told_without_secrets(home, challenge_for, scope):
    environment = {"FILE_ZONE": Secret("/none"), "FILE_PASSWORD": Secret("s3cr3t")}
    solver = AcmeShSolver(home=home, api="dns_file", environment=environment, dns=KNOWN)
    with pytest.raises(ProgramError) as caught:
        solver.present(challenge_for("example.test"), scope)
    message = str(caught.value)
    assert message.startswith("dns_file_add: failed for '_acme-challenge.example.test': ")
    assert message.endswith("there is no zone ***, ***")


def test_a_script_that_hangs_is_killed(home, provider, challenge_for, scope):
    environment = {"FILE_ZONE": Secret(provider.path), "FILE_SLEEP": Secret("60")}
    solver = AcmeShSolver(home=home, api="dns_file", environment=environment, dns=KNOWN, timeout=0.5)
    with pytest.raises(ProgramError, match=r"did not end within 0\.5 s, and was killed$"):
        solver.present(challenge_for("example.test"), scope)
    solver.timeout = 60
    with pytest.raises(Cancelled):
        solver.present(challenge_for("example.test"), CancelScope(0.5))


def test_it_is_found_by_the_solvers_name():
    assert PluginManager().find(SOLVER, "dns-acmesh") is AcmeShSolver


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `([\w.]+)` \| [\w ]+ \| (?:`(.*?)`|[\w' ]*) ?\|", README.read_text(), re.MULTILINE))
    known = {option.name: option.default for option in options_of(AcmeShSolver)}
    assert set(rows) == set(known)
    told = {name: default for name, default in rows.items() if default not in {"", "[]", "{}"}}
    assert told == {name: known[name] for name in told}


def test_the_readmes_toml_gives_a_solver(home, tmp_path):
    (tmp_path / "gandi").write_text("t0ken\n")
    (home / "dnsapi/dns_gandi_livedns.sh").write_text("")
    (text,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    table = tomllib.loads(text)["solver"]["dns"]["options"] | {"home": str(home)}
    table["environment"] = {"GANDI_LIVEDNS_TOKEN": {"file": str(tmp_path / "gandi")}}
    made = options.build(AcmeShSolver, table)
    assert made.environment == {"GANDI_LIVEDNS_TOKEN": Secret("t0ken")}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"api": "cf"}, "api: 'cf' is no name of a script (did you mean 'dns_cf'?)"),
        ({"api": "dns_none"}, "api: no such file: '{home}/dnsapi/dns_none.sh'"),
        ({"home": Path("/none")}, "home: no such file: '/none/acme.sh'"),
        ({"timeout": 0.0}, "timeout: 0 is not between 0 and 86400 seconds"),
        ({"concurrency": 0}, "concurrency: 0 scripts do nothing"),
    ],
)
def test_a_wrong_option_is_told(home, wrong, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        AcmeShSolver(**{"home": home, "api": "dns_file"} | wrong)
    assert str(caught.value) == message.format(home=home)
