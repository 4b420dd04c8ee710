"""What Route 53 holds before, between and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest
from acmez_dns_route53 import Route53Error, Route53Solver
from acmez_dns_route53.aws import Client
from acmez_dns_route53.zones import Zones

from acmez.acme.challenges import txt_record
from acmez.acme.errors import Cancelled, DeadlineExceeded
from acmez.dns import ZoneRecord
from acmez.options import Secret
from acmez.protocols import CancelScope, SelfWaiting
from tests.dns.contract import DnsSolverContract, value_of
from tests.dns.fake_api import FakeApi, Reply


class TestContract(DnsSolverContract):
    """The tests of every DNS solver."""


def test_the_ttl_of_others_is_kept(provider, solver, challenge_for, scope):
    challenge = challenge_for("shared.example.test")
    solver.present(challenge, scope)
    assert f"_acme-challenge.shared.example.test. 120 TXT {value_of(challenge)}" in provider.dump("example.test")


def test_the_records_of_a_zone_go_in_one_change(provider, solver, challenge_for, scope, monkeypatch):
    made: list[str] = []
    change = Zones._made

    def noting(self, zone, changes):
        made.append(zone)
        return change(self, zone, changes)

    monkeypatch.setattr(Zones, "_made", noting)
    challenges = [challenge_for(f"n{n}.{zone}") for n in range(5) for zone in ("example.test", "acme.test")]
    handles = solver.present_many(challenges, scope)
    assert sorted(made) == ["acme.test", "example.test"]
    solver.clean_up_many(challenges, handles, scope)
    assert sorted(made) == ["acme.test"] * 2 + ["example.test"] * 2


def test_hosted_zones_are_found_by_name(provider, make_solver, challenge_for, scope):
    provider.add_zone("named.test")
    provider.client.create_hosted_zone(
        Name="named.test",
        CallerReference="private",
        HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": "vpc-1"},
    )
    challenge = challenge_for("www.named.test")
    make_solver(hosted_zone_ids={}).present(challenge, scope)
    assert provider.ask("_acme-challenge.www.named.test") == [value_of(challenge)]


def test_it_waits_until_all_name_servers_have_the_change(provider, solver, challenge_for, scope):
    as_protocol: SelfWaiting = solver
    challenge = challenge_for("example.test")
    solver.present(challenge, scope)
    as_protocol.wait(challenge, scope)
    as_protocol.wait(challenge, scope)  # of what it does not know it knows nothing to wait for


class Recorded:
    """Answers of Route 53, one after the other, and what was asked."""

    def __init__(self, **answers: Sequence[object]) -> None:
        self.answers = {name: list(each) for name, each in answers.items()}
        self.asked: list[tuple[str, dict[str, object]]] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        def ask(**wanted: object) -> object:
            self.asked.append((name, wanted))
            return self.answers[name].pop(0)

        return ask


def test_a_change_is_awaited_while_it_is_pending(monkeypatch, scope):
    monkeypatch.setattr("acmez_dns_route53.zones._PAUSE", 0.01)
    statuses = [{"ChangeInfo": {"Status": status}} for status in ("PENDING", "PENDING", "INSYNC")]
    client = Recorded(get_change=statuses)
    Zones(cast("Client", client), {}, scope).wait("/change/C1", 10)
    assert client.answers == {"get_change": []}


def test_a_change_that_takes_too_long_is_told(monkeypatch, scope):
    monkeypatch.setattr("acmez_dns_route53.zones._PAUSE", 0.01)
    client = cast("Client", Recorded(get_change=[{"ChangeInfo": {"Status": "PENDING"}}] * 100))
    with pytest.raises(Route53Error, match=r"change /change/C1: is not on all name servers after 0\.05 s"):
        Zones(client, {}, scope).wait("/change/C1", 0.05)
    with pytest.raises(DeadlineExceeded):
        Zones(client, {}, CancelScope(0.005)).wait("/change/C1", 10)


def test_a_change_tells_what_it_rests_on(provider, solver, challenge_for, scope):
    """So that Amazon refuses it if another process was faster, and nothing of that one is lost."""
    client = Recorded(
        list_resource_record_sets=[
            {
                "ResourceRecordSets": [
                    {"Name": "_acme-challenge.a.test.", "Type": "TXT", "TTL": 7, "ResourceRecords": [{"Value": '"x"'}]}
                ]
            }
        ],
        change_resource_record_sets=[{"ChangeInfo": {"Id": "/change/C1"}}],
    )
    record = ZoneRecord("a.test", "_acme-challenge.a.test", "y")
    zones = Zones(cast("Client", client), {"a.test": "Z1"}, scope)
    assert zones.change("a.test", [record], ttl=60) == "/change/C1"
    old = {"Name": "_acme-challenge.a.test.", "Type": "TXT", "TTL": 7, "ResourceRecords": [{"Value": '"x"'}]}
    assert client.asked[-1][1]["ChangeBatch"] == {
        "Comment": "acmez",
        "Changes": [
            {"Action": "DELETE", "ResourceRecordSet": old},
            {"Action": "CREATE", "ResourceRecordSet": old | {"ResourceRecords": [{"Value": '"x"'}, {"Value": '"y"'}]}},
        ],
    }


def test_one_that_was_refused_because_another_was_faster_is_made_anew(
    provider, solver, challenge_for, scope, monkeypatch
):
    challenge = challenge_for("shared.example.test")
    change = Zones._made
    faster: list[str] = []

    def made(self, zone, changes):
        if not faster:
            faster.append(zone)
            provider.put(zone, "_acme-challenge.shared.example.test", '"of another process"')
            raise Route53Error("the values provided do not match the current values", code="InvalidChangeBatch")
        return change(self, zone, changes)

    monkeypatch.setattr(Zones, "_made", made)
    solver.present(challenge, scope)
    found = provider.ask("_acme-challenge.shared.example.test")
    assert found == sorted(['"of another process"', f'"{txt_record(challenge).value}"'])


class TestRefusals:
    def told(self, solver: Route53Solver, challenge, scope) -> str:
        with pytest.raises(Route53Error) as caught:
            solver.present(challenge, scope)
        return str(caught.value)

    def test_a_zone_that_the_account_does_not_have(self, make_solver, challenge_for, scope):
        message = self.told(make_solver(hosted_zone_ids={}), challenge_for("www.other.test"), scope)
        assert message == "zone 'other.test': the account has no such public hosted zone"

    def test_a_zone_that_there_is_twice(self, provider, make_solver, challenge_for, scope):
        provider.add_zone("twice.test")
        provider.client.create_hosted_zone(Name="twice.test", CallerReference="once more")
        message = self.told(make_solver(hosted_zone_ids={}), challenge_for("twice.test"), scope)
        assert message.endswith("there are several such hosted zones (set 'hosted_zone_ids')")

    def test_an_identifier_that_is_wrong(self, make_solver, challenge_for, scope):
        message = self.told(
            make_solver(hosted_zone_ids={"example.test": "ZNONE"}), challenge_for("example.test"), scope
        )
        assert "(NoSuchHostedZone) ('hosted_zone_ids' is wrong, or of another account)" in message

    def test_no_credentials(self, make_solver, challenge_for, scope):
        solver = make_solver(access_key_id="", secret_access_key=None)
        assert "Unable to locate credentials" in self.told(solver, challenge_for("example.test"), scope)

    def test_a_profile_that_is_not_there(self, make_solver, challenge_for, scope):
        solver = make_solver(access_key_id="", secret_access_key=None, profile="nobody")
        assert self.told(solver, challenge_for("example.test"), scope).startswith(
            "Route 53: Amazon says: The config profile"
        )

    def test_a_server_where_nothing_listens(self, make_solver, challenge_for, scope, monkeypatch):
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        solver = make_solver(endpoint_url="http://127.0.0.1:1", secret_access_key=Secret("s3cr3t"))
        message = self.told(solver, challenge_for("example.test"), scope)
        assert "127.0.0.1:1" in message
        assert "s3cr3t" not in message


class TestFailures:
    """Of a server that answers as Amazon does when things go wrong, which moto never does."""

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
        with FakeApi(lambda _: refusal(500, "InternalFailure", "We encountered an error.")).running() as server:
            yield server

    @pytest.fixture
    def broken(self, server: FakeApi, make_solver: Callable[..., Route53Solver]) -> Route53Solver:
        return make_solver(endpoint_url=server.url, secret_access_key=Secret("s3cr3t"))

    def told(self, solver: Route53Solver, challenge, scope) -> str:
        with pytest.raises(Route53Error) as caught:
            solver.present(challenge, scope)
        return str(caught.value)

    @pytest.mark.parametrize(
        ("code", "hint"),
        [
            ("InvalidClientTokenId", "there is no such access key"),
            ("SignatureDoesNotMatch", "the secret access key is another, or the clock is wrong"),
        ],
    )
    def test_wrong_credentials(self, server, broken, challenge_for, scope, code, hint):
        server.answer = lambda _: refusal(403, code, "It is invalid.")
        message = self.told(broken, challenge_for("example.test"), scope)
        assert message == f"zone 'example.test': Amazon says: It is invalid. ({code}) ({hint})"
        assert len(server.seen) == 1

    def test_a_server_that_fails(self, server, broken, challenge_for, scope):
        message = self.told(broken, challenge_for("example.test"), scope)
        assert message == "zone 'example.test': Amazon says: We encountered an error. (InternalFailure)"
        assert len(server.seen) == 6

    def test_a_server_that_is_busy_is_asked_again(self, server, broken, challenge_for, scope):
        server.answer = lambda _: refusal(400, "Throttling", "Rate exceeded")
        assert self.told(broken, challenge_for("example.test"), scope).endswith("Rate exceeded (Throttling)")
        assert len(server.seen) == 6

    def test_a_server_that_hangs_keeps_nobody_who_is_cancelled(self, server, broken, challenge_for, soon_cancelled):
        server.hang.clear()
        with pytest.raises(Cancelled):
            broken.present(challenge_for("example.test"), soon_cancelled)


def refusal(status: int, code: str, message: str) -> Reply:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    namespace = "https://route53.amazonaws.com/doc/2013-04-01/"
    return Reply(status, f'<ErrorResponse xmlns="{namespace}">{error}</ErrorResponse>'.encode())
