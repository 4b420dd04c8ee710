"""What is told of names before anything is ordered, by a name server that is resolver and authority in one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.flags
import dns.message
import dns.rdatatype
import pytest
from acmez_testkit import EmbeddedCA

from acmez.acme.errors import Cancelled
from acmez.acme.scope import CancelScope
from acmez.cli import main
from acmez.dns.lookups import Lookups
from acmez.dns.servers import Server
from acmez.preflight import Report, Subject, Verdict, preflight
from tests.dns.scripted import ScriptedServer, answer

TIMES = "1 3600 600 86400 30"


@dataclass
class World:
    """What the server says.

    Attributes:
        zones: which exist; each has one name server, which is this one.
        records: lines, each "name ttl IN type data".
        bogus: names with signatures that are wrong: SERVFAIL, unless one asks not to validate.
        failing: "name TYPE" that give SERVFAIL always.
        lame: whether what is asked without recursion is answered without authority.
    """

    zones: list[str] = field(default_factory=lambda: ["test.", "example.test.", "acme.test."])
    records: list[str] = field(default_factory=list)
    bogus: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    lame: bool = False

    def script(self, query: dns.message.Message) -> list[dns.message.Message]:
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        if f"{name} {kind}" in self.failing or (name in self.bogus and not query.flags & dns.flags.CD):
            return [answer(query, rcode="SERVFAIL")]
        lines = list(dict.fromkeys(self._found(name, kind, ())))
        end = lines[-1].split(" ")[4] if lines and lines[-1].split(" ")[3] == "CNAME" else name
        zone = max((zone for zone in self.zones if f".{end}".endswith(f".{zone}")), key=len)
        soa = f"{zone} 60 IN SOA ns.{zone} root.{zone} {TIMES}"
        aa = not (self.lame and not query.flags & dns.flags.RD)
        return [answer(query, *lines, authority=[soa], aa=aa)]

    def _found(self, name: str, kind: str, trail: tuple[str, ...]) -> Iterator[str]:
        infrastructure = [line for zone in self.zones for line in _infrastructure(zone)]
        for line in [*self.records, *infrastructure]:
            owner, _, _, what, data = line.split(" ", 4)
            if owner == name and what in {kind, "CNAME"}:
                yield line
                if what == "CNAME" != kind and data not in trail:
                    yield from self._found(data, kind, (*trail, name))


def _infrastructure(zone: str) -> list[str]:
    return [
        f"{zone} 60 IN SOA ns.{zone} root.{zone} {TIMES}",
        f"{zone} 60 IN NS ns.{zone}",
        f"ns.{zone} 60 IN A 127.0.0.1",
    ]


Look = Callable[..., Report]


@pytest.fixture
def serving() -> Iterator[Callable[[World], ScriptedServer]]:
    with contextlib.ExitStack() as stack:
        yield lambda world: stack.enter_context(ScriptedServer(world.script).running())


@pytest.fixture
def look(serving: Callable[[World], ScriptedServer]) -> Look:
    def at(world: World, name: str = "www.example.test", *methods: str, account_url: str | None = None) -> Report:
        server = serving(world)
        lookups = Lookups([Server(server.address, server.port)], port=server.port)
        subject = Subject(name, methods or ("dns-01",))
        (report,) = preflight([subject], lookups, CancelScope(30), identities=["ca.test"], account_url=account_url)
        assert report.name == name
        return report

    return at


def test_nothing_is_wrong_where_nothing_is(look: Look):
    report = look(World())
    assert {finding.verdict for finding in report.findings} == {Verdict.FINE}
    assert report.caa.says == "no records"
    assert report.name_servers.says == "1 of example.test answer"
    assert report.delegation is not None
    assert report.delegation.says == "none; the zone is example.test"
    assert report.dnssec.says == "not broken"


def test_delegation_is_looked_at_for_dns_solvers_only(look: Look):
    assert look(World(), "www.example.test", "http-01").delegation is None


class TestCaa:
    @pytest.mark.parametrize(
        ("data", "verdict", "says"),
        [
            ('0 issue "ca.test"', "fine", "ca.test may (example.test)"),
            ('0 issue "other.test"', "wrong", "only other.test may (example.test)"),
            (
                '0 issue "ca.test; validationmethods=http-01"',
                "wrong",
                "ca.test may only by http-01, which no solver answers (example.test)",
            ),
            (
                '0 issue "ca.test; accounturi=https://ca.test/2"',
                "unsure",
                "ca.test may only for the account https://ca.test/2 (example.test)",
            ),
        ],
    )
    def test_records_above_the_name_count(self, look: Look, data: str, verdict: str, says: str):
        report = look(World(records=[f"example.test. 60 IN CAA {data}"]))
        assert (report.caa.verdict, report.caa.says) == (verdict, says)

    def test_the_account_is_compared_if_it_is_known(self, look: Look):
        world = World(records=['example.test. 60 IN CAA 0 issue "ca.test; accounturi=https://ca.test/2"'])
        assert look(world, account_url="https://ca.test/2").caa.verdict == Verdict.FINE
        assert look(world, account_url="https://ca.test/1").caa.verdict == Verdict.WRONG

    def test_the_records_that_are_nearest_count_alone(self, look: Look):
        nearest = 'www.example.test. 60 IN CAA 0 issue "ca.test"'
        report = look(World(records=['example.test. 60 IN CAA 0 issue ";"', nearest]))
        assert report.caa.says == "ca.test may (www.example.test)"

    def test_records_behind_an_alias_count(self, look: Look):
        alias = "www.example.test. 60 IN CNAME host.acme.test."
        report = look(World(records=[alias, 'host.acme.test. 60 IN CAA 0 issue ";"']))
        assert (report.caa.verdict, report.caa.says) == ("wrong", "no CA may (www.example.test)")

    def test_a_wildcard_has_records_of_its_own(self, look: Look):
        world = World(records=['example.test. 60 IN CAA 0 issue "ca.test"', 'example.test. 60 IN CAA 0 issuewild ";"'])
        assert look(world, "example.test").caa.verdict == Verdict.FINE
        assert look(world, "*.example.test").caa.verdict == Verdict.WRONG

    def test_records_that_cannot_be_read_are_wrong(self, look: Look):
        report = look(World(failing=["example.test. CAA"]))
        assert report.caa.verdict == Verdict.WRONG
        assert report.caa.says.startswith("example.test: no resolver knows: ")
        assert report.caa.says.endswith(": SERVFAIL")


class TestNameServers:
    def test_one_that_does_not_serve_the_zone(self, look: Look):
        report = look(World(lame=True))
        assert report.name_servers.verdict == Verdict.WRONG
        assert report.name_servers.says.endswith(": does not serve example.test")

    def test_one_of_two_that_does_not_answer(self, look: Look):
        extra = ["example.test. 60 IN NS dead.example.test.", "dead.example.test. 60 IN A 127.0.0.9"]
        report = look(World(records=extra))
        assert report.name_servers.verdict == Verdict.UNSURE
        assert report.name_servers.says.startswith("dead.example.test (127.0.0.9:")
        assert "ns.example.test" not in report.name_servers.says

    def test_one_without_an_address(self, look: Look):
        world = World()
        world.failing = ["ns.example.test. A", "ns.example.test. AAAA"]
        report = look(world)
        assert report.name_servers.verdict == Verdict.WRONG
        assert "no address of its name servers is known" in report.name_servers.says


class TestDelegation:
    def told(self, report: Report) -> tuple[str, str]:
        assert report.delegation is not None
        return report.delegation.verdict, report.delegation.says

    def test_an_alias_into_a_zone_that_is_there(self, look: Look):
        alias = "_acme-challenge.www.example.test. 60 IN CNAME www.acme.test."
        assert self.told(look(World(records=[alias]))) == ("fine", "www.acme.test in the zone acme.test")

    def test_an_alias_into_a_zone_that_is_not_there(self, look: Look):
        alias = "_acme-challenge.www.example.test. 60 IN CNAME www.gone.test."
        assert self.told(look(World(records=[alias]))) == ("wrong", "www.gone.test is in no zone below test")

    def test_aliases_that_lead_in_a_circle(self, look: Look):
        there = "_acme-challenge.www.example.test. 60 IN CNAME a.acme.test."
        back = "a.acme.test. 60 IN CNAME _acme-challenge.www.example.test."
        verdict, says = self.told(look(World(records=[there, back])))
        assert verdict == "wrong"
        assert "its aliases lead nowhere" in says

    def test_a_wildcard_is_proved_at_the_name_below_it(self, look: Look):
        alias = "_acme-challenge.example.test. 60 IN CNAME x.acme.test."
        assert self.told(look(World(records=[alias]), "*.example.test"))[1] == "x.acme.test in the zone acme.test"


class TestDnssec:
    def test_what_only_validation_breaks_is_broken(self, look: Look):
        report = look(World(bogus=["www.example.test."]))
        assert report.dnssec.verdict == Verdict.WRONG
        assert report.dnssec.says.startswith("broken: 127.0.0.1:")
        assert report.dnssec.says.endswith(" answers only without validation")

    def test_what_fails_anyway_is_another_matter(self, look: Look):
        report = look(World(failing=["www.example.test. SOA"]))
        assert (report.dnssec.verdict, report.dnssec.says) == ("unsure", "not every resolver answers")


def test_resolvers_that_are_silent_say_nothing_about_a_name():
    lookups = Lookups([Server("127.0.0.1", 1)])
    (report,) = preflight([Subject("example.test", ("dns-01",))], lookups, CancelScope(30), identities=["ca.test"])
    assert {(each.verdict, each.says) for each in report.findings} == {("unsure", "no resolver answers")}


def test_what_many_names_share_is_asked_once(serving: Callable[[World], ScriptedServer]):
    server = serving(World())
    lookups = Lookups([Server(server.address, server.port)], port=server.port)
    subjects = [Subject(f"n{number}.example.test", ("dns-01",)) for number in range(20)]
    reports = preflight(subjects, lookups, CancelScope(30), identities=["ca.test"])
    assert [report.name for report in reports] == [subject.name for subject in subjects]
    assert server.asked.count("example.test CAA") == 1
    assert server.asked.count("example.test NS") == 1


def test_it_ends_with_its_scope(serving: Callable[[World], ScriptedServer]):
    server = serving(World())
    lookups = Lookups([Server(server.address, server.port)], port=server.port)
    scope = CancelScope(30)
    scope.cancel()
    with pytest.raises(Cancelled):
        preflight([Subject("example.test")], lookups, scope, identities=[])


class TestCommand:
    @pytest.fixture
    def file(self, tmp_path: Path, acme_ca: EmbeddedCA) -> Path:
        acme_ca.write_trust(tmp_path / "trust.pem")
        file = tmp_path / "acmez.toml"
        file.write_text(
            f"""
            directory = {json.dumps(acme_ca.directory_url)}
            trust = "trust.pem"
            account_key = {{ use = "file", options.path = "account.pem" }}
            [solver.dns]
            use = "dns-rfc2136"
            options.server = "127.0.0.1:1"
            domains = ["example.test", "*.example.test"]
            [solver.web]
            use = "http-webroot"
            options.path = "."
            domains = ["www.example.test"]
            [[certificate]]
            names = ["example.test", "*.example.test", "www.acme.test", "192.0.2.1"]
            directory = "certs"
            """
        )
        return file

    def check(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
        code = main(["check", *arguments])
        return code, capsys.readouterr().out.splitlines()

    def test_a_table_that_compares_with_the_cas_own_names(
        self,
        file: Path,
        acme_ca: EmbeddedCA,
        serving: Callable[[World], ScriptedServer],
        capsys: pytest.CaptureFixture[str],
    ):
        records = [
            'example.test. 60 IN CAA 0 issue "acmez-testkit.invalid"',
            'example.test. 60 IN CAA 0 issuewild "other.test"',
            "_acme-challenge.example.test. 60 IN CNAME x.acme.test.",
        ]
        server = serving(World(records=records))
        code, lines = self.check(capsys, str(file), "--online", "--resolver", server.where)
        assert code == 0
        assert lines[0] == f"{file}: fine (1 certificate from {acme_ca.directory_url})"
        assert [line.split()[0] for line in lines[1:]] == ["name", "example.test", "*.example.test", "www.acme.test"]
        assert lines[1].split() == ["name", "CAA", "name", "servers", "_acme-challenge", "DNSSEC"]
        apex, wildcard, other = lines[2:]
        assert "fine: acmez-testkit.invalid may (example.test)" in apex
        assert "fine: x.acme.test in the zone acme.test" in apex
        assert "wrong: only other.test may (example.test)" in wildcard
        assert "fine: no records" in other
        assert " - " in other
        assert not (file.parent / "account.pem").exists()

    def test_nothing_is_asked_unless_one_says_so(
        self, file: Path, acme_ca: EmbeddedCA, capsys: pytest.CaptureFixture[str]
    ):
        assert self.check(capsys, str(file))[0] == 0
        assert acme_ca.requests == []

    def test_a_ca_that_has_no_directory_is_told(
        self, file: Path, serving: Callable[[World], ScriptedServer], capsys: pytest.CaptureFixture[str]
    ):
        file.write_text(file.read_text().replace("/dir", "/no-dir"))
        assert "/no-dir" in file.read_text()
        server = serving(World())
        code, lines = self.check(capsys, str(file), "--online", "--resolver", server.where)
        assert code == 0
        assert lines[1].startswith("note: the CA does not say its names in CAA records: ")
        assert len(lines) == 6

    def test_a_wrong_configuration_stays_wrong(self, file: Path, capsys: pytest.CaptureFixture[str]):
        file.write_text(file.read_text().replace("names =", "nams ="))
        assert self.check(capsys, str(file), "--online")[0] == 2

    def test_a_resolver_that_is_none(self, file: Path, capsys: pytest.CaptureFixture[str]):
        assert self.check(capsys, str(file), "--online", "--resolver", "not a server")[0] == 2
        assert self.check(capsys, str(file), "--resolver", "127.0.0.1")[0] == 2
