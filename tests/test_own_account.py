"""The account's key is changed so that no crash, lost answer or refusal leaves the account without a key at hand."""

from __future__ import annotations

import pickle
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from acmez_testkit import Answer, Drop, LoseAnswer, Problem
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from acmez import (
    Client,
    DefaultRetry,
    FileKey,
    GeneratedKey,
    InputError,
    KeyFileError,
    ProblemError,
    Secret,
    Solver,
    TransportError,
)
from acmez.acme.account import KeyChangeError
from acmez.acme.jws import PrivateKey, SigningKey
from acmez.acme.problem import AccountDoesNotExist, UserActionRequired
from acmez.journal import Journal
from acmez.keys import generate
from acmez.remote_keys import Sign, remote_key
from tests.solvers import Lab, WebSolver, laboratory
from tests.unprivileged import unprivileged

ONCE = DefaultRetry(attempts=1)


@dataclass(frozen=True)
class Token:
    """Provides a key that cannot leave where it lives."""

    name: ClassVar[str] = "token"

    label: str = "token:one"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def get(self, purpose: str) -> PrivateKey:
        return remote_key(self.key.public_key(), self._sign, self.label)

    @property
    def _sign(self) -> Sign:
        return lambda wanted: self.key.sign(wanted.digest, ec.ECDSA(Prehashed(wanted.algorithm)))


class Irreplaceable(FileKey):
    """A file that cannot be renamed over."""

    def take_next(self, ca: str) -> None:
        raise KeyFileError("the disk is full")


class Replaced(FileKey):
    """A file that another process replaces between two looks."""

    def next(self, ca: str) -> PrivateKey | None:
        super().take_next(ca)
        return super().next(ca)


class Home:
    """A CA, and a directory with the account's key and the journal; each client is as a new process'."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.key = FileKey(directory / "account.pem")
        self.journal = directory / "acmez.journal"
        with self.client() as client:
            self.url = client.register().url

    def client(self, account_key: Any = None, *, solvers: Sequence[Solver] = (), **settings: Any) -> Client:
        return self.lab.stranger(*solvers, account_key=account_key or self.key, retry=ONCE, **settings)

    def holder(self, key: PrivateKey) -> str | None:
        """Return the account that answers to a key."""
        with self.client() as client:
            try:
                return client.acme.find_account(SigningKey(key)).url
            except AccountDoesNotExist:
                return None

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with ExitStack() as stack:
        lab = stack.enter_context(laboratory())
        yield Home(lab, tmp_path)


def same(one: PrivateKey, other: PrivateKey) -> bool:
    return SigningKey(one).same_as(SigningKey(other))


# In a file


@pytest.mark.parametrize("kind", ["ec-p256", "ec-p384", "rsa-2048"])
def test_the_file_gets_the_new_key(home: Home, kind: str):
    old, new = home.key.get("account"), generate(kind)
    with home.client() as client:
        assert client.change_account_key(new).url == home.url
        assert client.account().url == home.url
    assert same(home.key.get("account"), new)
    assert (home.holder(new), home.holder(old)) == (home.url, None)
    assert home.files == {"account.pem"}
    with home.client() as later:
        assert later.account().url == home.url


def test_without_an_argument_the_key_is_a_new_one(home: Home):
    old = home.key.get("account")
    with home.client() as client:
        client.change_account_key()
        client.change_account_key()
    assert not same(home.key.get("account"), old)
    assert home.holder(home.key.get("account")) == home.url


def test_the_new_key_may_be_in_a_file_that_stays_a_copy(home: Home, tmp_path: Path):
    other = tmp_path / "other.pem"
    with home.client() as client:
        client.change_account_key(other)
    assert same(home.key.get("account"), FileKey(other).get("account"))


def test_the_new_file_is_like_the_old_one(home: Home):
    path = Path(home.key.path)
    path.chmod(0o640)
    shared = FileKey(path, allow_shared=True)
    with home.client(shared) as client:
        client.change_account_key()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_new_file_has_the_passphrase_of_the_old_one(home: Home):
    locked = FileKey(home.directory / "locked.pem", passphrase=Secret("correct horse"))
    with home.client(locked) as client:
        url = client.register().url
        client.change_account_key()
    assert home.holder(locked.get("account")) == url
    with pytest.raises(KeyFileError, match="encrypted"):
        FileKey(locked.path).get("account")


def test_what_cannot_be_kept_is_not_sent(home: Home):
    with home.client() as client:
        client.account()
        home.directory.chmod(0o500)
        try:
            with unprivileged(), pytest.raises(KeyFileError, match=r"next-.*cannot be created: Permission denied"):
                client.change_account_key()
        finally:
            home.directory.chmod(0o700)
    assert home.lab.requests()["key-change"] == 0


def test_of_two_changes_at_once_the_second_is_not_sent(home: Home):
    with home.client() as client:
        client.account()
        home.key.keep_next(home.lab.ca.directory_url, generate("ec-p256"))
        with pytest.raises(KeyFileError, match="another change of the account's key is under way"):
            client.change_account_key()
    assert home.lab.requests()["key-change"] == 0


def test_while_another_ca_changes_the_key_of_the_file_it_is_not_sent(home: Home):
    home.key.keep_next("https://ca.example/directory", generate("ec-p256"))
    with home.client() as client:
        with pytest.raises(
            KeyFileError, match=r"account\.pem\.next-\w+: is there: the key is being changed at another"
        ):
            client.change_account_key()
        assert client.account().url == home.url
    assert home.lab.requests()["key-change"] == 0


def test_an_account_elsewhere_that_may_share_the_file_is_told(home: Home, caplog: pytest.LogCaptureFixture):
    other = "https://ca.example/account/1"
    with Journal(home.journal) as journal, home.client(journal=home.journal) as client:
        client.change_account_key()
        assert caplog.text == ""
        journal.begin("https://ca.example/directory", other, "wish", csr=b"", key=None)
        client.change_account_key()
    assert f"an account elsewhere that shares it is left without: {other}" in caplog.text


def test_another_cas_account_is_not_touched(home: Home):
    home.key.keep_next(home.lab.ca.directory_url, generate("ec-p256"))
    assert home.key.next("https://ca.example/directory") is None
    assert home.key.next(home.lab.ca.directory_url) is not None


# What the CA says


def test_a_refused_change_leaves_everything_as_it_was(home: Home):
    old = home.key.get("account")
    home.lab.ca.faults.add("key-change", Problem("badPublicKey", status=400))
    with home.client() as client:
        with pytest.raises(ProblemError, match="badPublicKey"):
            client.change_account_key()
        assert client.account().url == home.url
    assert same(home.key.get("account"), old)
    assert home.files == {"account.pem"}


def test_the_key_that_the_account_has_already_is_refused_unasked(home: Home):
    with home.client() as client, pytest.raises(InputError, match="is the account's already"):
        client.change_account_key(home.key)
    assert home.lab.requests()["key-change"] == 0


def test_a_lost_answer_to_a_change_that_was_made(home: Home):
    home.lab.ca.faults.add("key-change", LoseAnswer())
    with home.client() as client:
        client.change_account_key()
    assert home.holder(home.key.get("account")) == home.url
    assert home.files == {"account.pem"}


@pytest.mark.parametrize("fault", [Answer(504, "gateway timeout"), Drop()], ids=["504", "dropped"])
def test_a_change_that_may_be_on_its_way_is_finished_by_the_next_call(home: Home, fault: Answer | Drop):
    new = generate("ec-p256")
    home.lab.ca.faults.add("key-change", fault)
    with home.client() as client:
        with pytest.raises(KeyChangeError, match="keeps its old key"):
            client.change_account_key(new)
        assert len(home.files) == 2
        assert client.account().url == home.url
    assert same(home.key.get("account"), new)
    assert home.holder(new) == home.url
    assert home.files == {"account.pem"}


def test_nobody_knows_which_key_it_is_until_the_ca_can_be_asked(home: Home):
    new = generate("ec-p256")
    with home.client() as client:
        client.account()
        home.lab.ca.faults.add("key-change", LoseAnswer())
        home.lab.ca.faults.add("new-account", Drop())
        with pytest.raises(KeyChangeError, match="may hold either key; keep both") as raised:
            client.change_account_key(new)
        assert raised.value.holds is None
    with home.client() as later:
        assert later.account().url == home.url
    assert same(home.key.get("account"), new)


def test_a_change_that_is_refused_the_next_time_does_not_stop_the_work(home: Home, caplog: pytest.LogCaptureFixture):
    old = home.key.get("account")
    with home.client() as client:
        home.key.keep_next(home.lab.ca.directory_url, generate("ec-p256"))
        home.lab.ca.faults.add("key-change", Problem("badPublicKey", status=400))
        assert client.account().url == home.url
    assert "keeps its key, which was to be changed" in caplog.text
    assert same(home.key.get("account"), old)
    assert home.files == {"account.pem"}


def test_too_many_requests_put_it_off(home: Home, caplog: pytest.LogCaptureFixture):
    new = generate("ec-p256")
    home.lab.ca.faults.add("key-change", Problem("rateLimited", status=429), times=2)
    with home.client() as client:
        with pytest.raises(ProblemError, match="rateLimited"):
            client.change_account_key(new)
        assert client.account().url == home.url
    assert "rateLimited" in caplog.text
    with home.client() as later:
        later.account()
    assert same(home.key.get("account"), new)


def test_a_file_that_cannot_be_replaced_is_the_next_clients_business(home: Home, caplog: pytest.LogCaptureFixture):
    new = generate("ec-p256")
    with home.client(Irreplaceable(home.key.path)) as client:
        client.change_account_key(new)
        assert client.account().key.same_as(SigningKey(new))
    assert "has its new key, but: the disk is full" in caplog.text
    assert home.holder(home.key.get("account")) is None
    with home.client() as later:
        assert later.account().url == home.url
    assert same(home.key.get("account"), new)


def test_registering_finishes_a_change_rather_than_make_a_second_account(home: Home):
    new = generate("ec-p256")
    with home.client() as client:
        home.key.keep_next(home.lab.ca.directory_url, new)
        client.acme.change_key(client.acme.find_account(SigningKey(home.key.get("account"))), SigningKey(new))
        assert client.register().url == home.url
    assert len(home.lab.ca.accounts) == 1
    assert same(home.key.get("account"), new)


def test_the_key_is_read_again_if_another_process_finished_a_change_meanwhile(home: Home):
    old, new = home.key.get("account"), generate("ec-p256")
    with home.client(old) as client:
        client.change_account_key(new)
    home.key.keep_next(home.lab.ca.directory_url, new)
    with home.client(Replaced(home.key.path)) as client:
        assert client.account().url == home.url


def test_a_ca_that_forgot_everything_gets_a_new_account(home: Home):
    fresh = FileKey(home.directory / "fresh.pem")
    with home.client(fresh) as client:
        fresh.get("account")
        fresh.keep_next(home.lab.ca.directory_url, generate("ec-p256"))
        assert client.register().url != home.url


# In the journal


def test_the_journal_keeps_the_key_while_the_settings_name_the_old_one(home: Home):
    old, new, newer = home.key.get("account"), generate("ec-p384"), generate("ec-p256")
    with home.client(old, journal=home.journal) as client:
        client.change_account_key(new)
        client.change_account_key(newer)
    assert home.holder(newer) == home.url
    with home.client(old, journal=home.journal) as client:
        assert client.account().key.same_as(SigningKey(newer))
    with home.client(newer, journal=home.journal) as client:
        assert client.account().url == home.url
    with home.client(old, journal=home.journal) as client, pytest.raises(AccountDoesNotExist):
        client.account()  # the journal keeps it no longer


def test_a_key_that_stays_in_its_token_is_kept_by_name(home: Home):
    one, two = Token("token:one"), Token("token:two")
    with home.client(one, journal=home.journal) as client:
        url = client.register().url
        client.change_account_key(two)
        assert client.account().url == url
    with home.client(two, journal=home.journal) as client:
        assert client.account().url == url
    with Journal(home.journal) as journal:
        assert journal.next_key(home.lab.ca.directory_url, SigningKey(one.get("account")).thumbprint) is None


def test_who_still_has_the_old_token_is_told_the_new_one_and_registers_nothing(home: Home):
    one, two = Token("token:one"), Token("token:two")
    with home.client(one, journal=home.journal) as client:
        client.register()
        client.change_account_key(two)
    accounts = len(home.lab.ca.accounts)
    for call in (Client.account, Client.register):
        with home.client(one, journal=home.journal) as client, pytest.raises(AccountDoesNotExist) as raised:
            call(client)
        assert raised.value.__notes__ == [
            "the account's key was being changed to <RemoteEcKey token:two>: set that as the account key"
        ]
    assert len(home.lab.ca.accounts) == accounts


def test_from_a_file_to_a_token_and_back(home: Home):
    token, new = Token(), FileKey(home.directory / "new.pem")
    with home.client(journal=home.journal) as client:
        client.change_account_key(token)
    with home.client(token, journal=home.journal) as client:
        client.change_account_key(new)
    with home.client(new, journal=home.journal) as client:
        assert client.account().url == home.url


def test_a_former_key_is_refused(home: Home):
    old = home.key.get("account")
    with home.client(old, journal=home.journal) as client:
        client.change_account_key(generate("ec-p256"))
        with pytest.raises(InputError, match="was the account's before"):
            client.change_account_key(old)


def test_a_generated_key_that_nobody_would_keep_is_not_sent(home: Home):
    for new in (None, GeneratedKey()):
        with home.client(home.key.get("account")) as client, pytest.raises(InputError, match="kept nowhere"):
            client.change_account_key(new)
    assert home.lab.requests()["key-change"] == 0


def test_a_key_of_the_callers_own_is_the_callers_to_keep(home: Home):
    old, new = home.key.get("account"), generate("ec-p256")
    home.lab.ca.faults.add("key-change", Drop())
    with home.client(old) as client:
        with pytest.raises(KeyChangeError):
            client.change_account_key(new)
        assert client.account().key.same_as(SigningKey(new))  # finished within this process


def test_a_throw_away_account_changes_its_key_like_any_other(home: Home):
    with home.lab.stranger() as client:
        url = client.register().url
        assert client.change_account_key().url == url
        assert pickle.loads(pickle.dumps(client)).account().url == url  # noqa: S301


def test_the_account_is_asked_for_although_its_url_is_known(home: Home):
    new = generate("ec-p256")
    with home.client() as client:
        home.key.keep_next(home.lab.ca.directory_url, new)
    with home.client(account_url=home.url) as client:
        assert client.account().key.same_as(SigningKey(new))


# What the account had begun


def test_an_order_that_was_begun_with_the_old_key_goes_on_with_the_new_one(home: Home):
    solver = WebSolver(web=home.lab.web)
    home.lab.ca.faults.add("finalize", Drop(), times=None)
    with home.client(journal=home.journal, solvers=[solver]) as client:
        with pytest.raises(TransportError):
            client.obtain(["www.example.org"])
        home.lab.ca.faults.clear()
        client.change_account_key()
        (issued,) = client.resume()
        assert issued.result().order_url
    assert home.lab.requests()["new-order"] == 1


# Contacts and terms


def test_contacts_are_replaced(home: Home):
    with home.client() as client:
        assert client.update_account(["mailto:one@example.org"]).contact == ("mailto:one@example.org",)
        assert client.update_account([]).contact == ()
    assert home.lab.ca.accounts[0].contact == ()


def test_changed_terms_are_agreed_to_and_orders_go_on(home: Home):
    solver = WebSolver(web=home.lab.web)
    with home.client(solvers=[solver]) as client:
        home.lab.ca.change_terms("https://ca.example/terms/v2")
        with pytest.raises(UserActionRequired) as raised:
            client.obtain(["www.example.org"])
        assert raised.value.terms_of_service == "https://ca.example/terms/v2"
        client.update_account(terms_of_service_agreed=True)
        client.obtain(["www.example.org"])
    assert home.lab.requests()["finalize"] == 1
    assert home.lab.ca.accounts[0].terms_agreed == "https://ca.example/terms/v2"


# RFC 8555 §7.3.6


def test_an_account_that_was_ended_obtains_nothing_more(home: Home):
    with home.client(solvers=[WebSolver(web=home.lab.web)]) as client:
        ended = client.deactivate_account()
        assert (ended.url, ended.status) == (home.url, "deactivated")
        with pytest.raises(ProblemError, match="unauthorized"):
            client.obtain(["www.example.org"])
    assert home.lab.ca.accounts[0].status == "deactivated"
    assert home.lab.requests()["new-order"] == 0
