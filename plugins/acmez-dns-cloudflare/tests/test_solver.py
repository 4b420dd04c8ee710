"""What Cloudflare holds before, between and after, and what is told of its refusals."""

from __future__ import annotations

import pytest

from acmez.acme.challenges import txt_record
from acmez.acme.errors import Cancelled
from acmez.acme.retry import DefaultRetry
from acmez.dns.api import ApiError
from acmez.options import Secret
from tests.dns.contract import DnsSolverContract, value_of
from tests.dns.fake_api import Reply


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("acmez.dns.api.RETRY", DefaultRetry(attempts=4, first_delay=0.01))


class TestContract(DnsSolverContract):
    """The tests of every DNS solver."""


def test_the_records_of_a_zone_go_in_one_request(provider, solver, challenge_for, scope):
    challenges = [challenge_for(f"n{n}.{zone}") for n in range(10) for zone in ("example.test", "acme.test")]
    handles = solver.present_many(challenges, scope)
    solver.clean_up_many(challenges, handles, scope)
    assert sum(each.startswith("POST") for each in provider.seen) == 4
    assert provider.seen.count("GET /client/v4/zones") == len(provider.seen) - 4 == 2
    assert provider.dump("acme.test") == []


def test_zones_are_looked_up_once(provider, solver, challenge_for, scope):
    for _ in range(3):
        solver.present(challenge_for("example.test"), scope)
    assert provider.seen.count("GET /client/v4/zones") == 1


def test_a_zone_whose_identifier_is_given_is_not_looked_up(provider, make_solver, challenge_for, scope):
    provider.hidden.add("example.test")
    solver = make_solver(zone_ids={"Example.test.": provider.identifier("example.test")})
    challenge = challenge_for("example.test")
    solver.present(challenge, scope)
    assert provider.ask("_acme-challenge.example.test") == [value_of(challenge)]
    assert "GET /client/v4/zones" not in provider.seen


def test_a_value_is_found_on_any_page(provider, solver, challenge_for, scope):
    provider.page_size = 3
    for number in range(10):
        provider.put("example.test", "_acme-challenge.many", f'"{number}"')
    before = provider.dump("example.test")
    challenge = challenge_for("many.example.test")
    solver.present(challenge, scope)
    solver.clean_up(challenge, None, scope)
    assert provider.dump("example.test") == before


def test_one_that_is_gone_does_not_keep_the_others(provider, solver, challenge_for, scope):
    before = provider.dump("example.test")
    challenges = [challenge_for(f"gone{n}.example.test") for n in range(3)]
    handles = solver.present_many(challenges, scope)
    solver.clean_up(challenges[1], handles[1], scope)
    solver.clean_up_many(challenges, handles, scope)
    assert provider.dump("example.test") == before


@pytest.mark.parametrize("in_quotes", [True, False])
def test_a_record_that_a_crash_left_is_taken_over(provider, solver, challenge_for, scope, in_quotes):
    challenge = challenge_for("left.example.test")
    value = txt_record(challenge).value
    provider.put("example.test", "_acme-challenge.left", f'"{value}"' if in_quotes else value)
    handle = solver.present(challenge, scope)
    assert provider.ask("_acme-challenge.left.example.test") == [value_of(challenge)]
    solver.clean_up(challenge, handle, scope)
    assert provider.ask("_acme-challenge.left.example.test") == []


def test_a_record_that_another_process_adds_meanwhile_is_no_error(provider, solver, challenge_for, scope):
    challenges = [challenge_for(f"race{n}.example.test") for n in range(3)]
    answer = provider.answer

    def racing(request):
        if request.method == "POST" and provider.seen.count(f"POST {request.path}") == 1:
            provider.put("example.test", "_acme-challenge.race1", value_of(challenges[1]))
        return answer(request)

    provider.answer = racing
    solver.present_many(challenges, scope)
    for challenge in challenges:
        assert provider.ask(txt_record(challenge).name) == [value_of(challenge)]


class TestRefusals:
    def told(self, solver, challenge, scope) -> str:
        with pytest.raises(ApiError) as caught:
            solver.present(challenge, scope)
        return str(caught.value)

    def test_a_wrong_token(self, provider, make_solver, challenge_for, scope):
        message = self.told(make_solver(api_token=Secret("wrong-token")), challenge_for("example.test"), scope)
        assert message == (
            "zone 'example.test': Cloudflare says: Invalid access token (9109)"
            " (is 'api_token' right, and may it edit the DNS of this zone?)"
        )

    def test_a_zone_of_somebody_else(self, solver, challenge_for, scope):
        message = self.told(solver, challenge_for("www.other.test"), scope)
        assert message.startswith("zone 'other.test': the token sees no such zone")

    def test_what_is_no_answer_of_cloudflare(self, provider, solver, challenge_for, scope):
        provider.faults = [Reply(200, {"result": []})]
        assert self.told(solver, challenge_for("example.test"), scope).endswith("the answer is none of Cloudflare")
        provider.faults = [Reply(200, b"<html>")]
        assert self.told(solver, challenge_for("example.test"), scope).endswith("the answer is not JSON")

    def test_a_server_that_fails(self, provider, solver, challenge_for, scope):
        provider.faults = [Reply(500, b"internal\x1b error")] * 4
        message = self.told(solver, challenge_for("example.test"), scope)
        assert message.endswith("HTTP status 500: internal\N{REPLACEMENT CHARACTER} error")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(provider, solver, challenge_for, scope, status):
    provider.faults = [Reply(status, {}, {"Retry-After": "0"}), Reply(status, {})]
    challenge = challenge_for("example.test")
    solver.present(challenge, scope)
    assert provider.ask("_acme-challenge.example.test") == [value_of(challenge)]


def test_a_server_that_hangs_keeps_nobody_who_is_cancelled(provider, solver, challenge_for, soon_cancelled):
    provider.hang.clear()
    with pytest.raises(Cancelled):
        solver.present(challenge_for("example.test"), soon_cancelled)
