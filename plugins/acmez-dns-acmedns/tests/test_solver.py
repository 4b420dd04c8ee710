"""Accounts are used, made and kept; values are shown where the alias leads."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from acmez_dns_acmedns import Account, AccountError, AcmeDnsSolver

from acmez import Client, Route
from acmez.acme.challenges import txt_record
from acmez.acme.errors import Cancelled, InputError
from acmez.acme.retry import DefaultRetry
from acmez.csr import certificate_names
from acmez.dns.api import ApiError
from acmez.journal import Journal
from acmez.options import Secret
from acmez.protocols import Batching, Solver
from acmez.waiters.dns import DnsPropagation
from tests.dns.contract import leave
from tests.dns.fake_api import Reply
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.server import PebbleOptions

from .acme_dns import ZONE, AcmeDns


@pytest.fixture
def account(server: AcmeDns) -> Account:
    """An account at the server."""
    server._register(type("Request", (), {"body": None})())
    (made,) = server.users.values()
    return Account(made["username"], Secret(made["password"]), made["subdomain"])


@pytest.fixture
def solver(server: AcmeDns, account: Account) -> AcmeDnsSolver:
    return AcmeDnsSolver(server_url=server.url, accounts={"example.test": account})


def test_it_is_a_solver_of_what_acme_dns_takes(solver):
    as_protocol: Solver = solver
    assert (as_protocol.name, as_protocol.challenge_type) == ("dns-acmedns", "dns-01")
    assert solver.other_types == ("dns-account-01",)
    assert isinstance(solver, Batching)


@pytest.mark.parametrize("kind", ["dns-01", "dns-account-01"])
def test_the_server_shows_the_value(server, solver, account, challenge_for, scope, kind):
    challenge = challenge_for("example.test", kind)
    handle = solver.present(challenge, scope)
    assert server.values[account.subdomain] == [txt_record(challenge).value]
    solver.clean_up(challenge, handle, scope)
    assert server.values[account.subdomain] == [txt_record(challenge).value]


def test_a_value_that_is_shown_does_not_push_the_other_one_out(server, solver, account, challenge_for, scope):
    challenges = [challenge_for("example.test"), challenge_for("example.test", wildcard=True)]
    solver.present_many(challenges, scope)
    solver.present(challenges[1], scope)
    assert server.values[account.subdomain] == [txt_record(each).value for each in challenges]


def test_a_record_that_acme_dns_does_not_take_is_refused(solver, challenge_for, scope):
    with pytest.raises(InputError, match="acme-dns takes no records of this type"):
        solver.present(challenge_for("example.test", "dns-persist-01"), scope)


def test_a_wrong_password_is_told_and_not_shown(server, account, challenge_for, scope):
    wrong = Account(account.username, Secret("wr0ng"), account.subdomain)
    solver = AcmeDnsSolver(server_url=server.url, accounts={"example.test": wrong})
    with pytest.raises(ApiError) as caught:
        solver.present(challenge_for("example.test"), scope)
    assert 'HTTP status 401: {"error": "forbidden"} (is the account\'s password right' in str(caught.value)
    assert "wr0ng" not in f"{caught.value} {solver!r}"


def test_a_name_without_account_is_told(solver, challenge_for, scope):
    with pytest.raises(AccountError, match=r"^other.test: has no account \(add it to 'accounts'"):
        solver.present(challenge_for("other.test"), scope)


def test_values_of_other_accounts_are_kept(server, solver, challenge_for, scope):
    other = server._register(type("Request", (), {"body": None})()).body["subdomain"]
    server.values[other] = ["of somebody else"]
    challenge = challenge_for("example.test")
    solver.clean_up(challenge, solver.present(challenge, scope), scope)
    assert server.values[other] == ["of somebody else"]


@pytest.mark.parametrize("crashed", ["before the handle was noted", "after"])
def test_what_a_crash_left_is_swept_without_a_word(solver, challenge_for, tmp_path, crashed):
    """There is nothing to remove, and the journal forgets it."""
    leave(tmp_path / "journal", solver, [challenge_for("example.test")], noted=crashed == "after")
    for solvers in ([solver], []):  # without the solver, it would tell what it has not forgotten
        with (
            Journal(tmp_path / "journal") as journal,
            Client("https://ca.test/directory", solvers=solvers, journal=journal) as client,
        ):
            assert client.sweep() == []


class TestFailures:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr("acmez.dns.api.RETRY", DefaultRetry(attempts=4, first_delay=0.01))

    def test_a_server_that_is_busy_is_asked_again(self, server, solver, account, challenge_for, scope):
        server.faults = [Reply(503, {}), Reply(429, {}, {"Retry-After": "0"})]
        challenge = challenge_for("example.test")
        solver.present(challenge, scope)
        assert server.values[account.subdomain] == [txt_record(challenge).value]

    def test_a_server_that_fails_is_told(self, server, solver, challenge_for, scope):
        server.faults = [Reply(500, {"error": "db_error"})]
        with pytest.raises(ApiError, match=r"^_acme-challenge\.example\.test: .*HTTP status 500: .*db_error"):
            solver.present(challenge_for("example.test"), scope)

    def test_a_server_that_hangs_keeps_nobody_who_is_cancelled(self, server, solver, challenge_for, soon_cancelled):
        server.hang.clear()
        with pytest.raises(Cancelled):
            solver.present(challenge_for("example.test"), soon_cancelled)


class TestRegistering:
    def test_what_new_accounts_need_is_told_of_all_of_them(self, server, tmp_path, challenge_for, scope):
        storage = tmp_path / "accounts.json"
        solver = AcmeDnsSolver(
            server_url=server.url, storage=storage, allow_from=["127.0.0.0/8"], resolvers=[server.dns.where]
        )
        challenges = [challenge_for("a.test"), challenge_for("a.test", wildcard=True), challenge_for("b.test")]
        with pytest.raises(AccountError) as caught:
            solver.present_many(challenges, scope)
        kept = json.loads(storage.read_text())
        assert str(caught.value) == (
            "registered with acme-dns: add to the DNS, and try again: "
            f"_acme-challenge.a.test. CNAME {kept['a.test']['fulldomain']}.; "
            f"_acme-challenge.b.test. CNAME {kept['b.test']['fulldomain']}."
        )
        assert [each["allowfrom"] for each in server.users.values()] == [["127.0.0.0/8"]] * 2
        assert stat.S_IMODE(storage.stat().st_mode) == 0o600
        assert list(tmp_path.iterdir()) == [storage]

    def test_several_processes_at_once_lose_none_and_register_none_twice(self, server, tmp_path, challenge_for, scope):
        storage = tmp_path / "accounts.json"
        challenges = [challenge_for(f"n{number % 6}.test") for number in range(12)]

        def register(challenge):
            # Solvers of their own share nothing but the file and its lock, as in processes of their own.
            solver = AcmeDnsSolver(server_url=server.url, storage=storage, resolvers=[server.dns.where])
            with pytest.raises(AccountError, match="registered with acme-dns"):
                solver.present(challenge, scope)

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(register, challenges))
        kept = json.loads(storage.read_text())
        assert sorted(kept) == [f"n{number}.test" for number in range(6)]
        assert {each["username"] for each in kept.values()} == {*server.users}

    def test_then_they_are_used_in_another_process_too(self, server, tmp_path, challenge_for, scope):
        storage = tmp_path / "accounts.json"
        challenge = challenge_for("a.test")
        with pytest.raises(AccountError):
            AcmeDnsSolver(server_url=server.url, storage=storage, resolvers=[server.dns.where]).present(
                challenge, scope
            )
        AcmeDnsSolver(storage=storage).present(challenge, scope)
        assert list(server.values.values()) == [[txt_record(challenge).value]]

    def test_a_file_of_lego_is_read_and_its_other_accounts_kept(self, server, account, tmp_path, challenge_for, scope):
        storage = tmp_path / "accounts.json"
        lego = {"a.test": {"fulldomain": "x", "subdomain": account.subdomain, "username": account.username}}
        lego["a.test"] |= {"password": str(account.password), "server_url": server.url}
        storage.write_text(json.dumps(lego))
        solver = AcmeDnsSolver(server_url=server.url, storage=storage, resolvers=[server.dns.where])
        solver.present(challenge_for("a.test"), scope)
        with pytest.raises(AccountError):
            solver.present(challenge_for("b.test"), scope)
        assert json.loads(storage.read_text())["a.test"] == lego["a.test"]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "cannot be read"),
            ("[]", "expected a table of accounts"),
            ('{"a.test": {"username": "x"}}', "'a.test': expected an account with username, password and subdomain"),
        ],
    )
    def test_a_file_that_is_none_is_told(self, server, tmp_path, challenge_for, scope, content, message):
        storage = tmp_path / "accounts.json"
        storage.write_text(content)
        with pytest.raises(AccountError, match=f"{storage}: .*{message}"):
            AcmeDnsSolver(server_url=server.url, storage=storage).present(challenge_for("a.test"), scope)
        assert storage.read_text() == content


def test_a_real_ca_follows_the_alias_and_issues(server, tmp_path, pebble_factory: PebbleFactory):
    pebble = pebble_factory(PebbleOptions(dns_server=server.dns.where, authz_reuse=0))
    storage = tmp_path / "accounts.json"
    solver = AcmeDnsSolver(server_url=server.url, storage=storage, resolvers=[server.dns.where])
    waiter = DnsPropagation(nameservers=[server.dns.where], interval=0.05)
    names = ["example.test", "*.example.test"]
    with Client(pebble.directory_url, solvers=[Route(solver, waiter=waiter)], trust=pebble.trust) as client:
        client.register(terms_of_service_agreed=True)
        with pytest.raises(Exception, match="registered with acme-dns: add to the DNS"):
            client.obtain(names)
        (account,) = server.users.values()
        server.aliases["_acme-challenge.example.test"] = f"{account['subdomain']}.{ZONE}"
        assert {value for _, value in certificate_names(client.obtain(names).leaf)} == set(names)
