"""`kill -9` at any step of a change of the account's key: the next process has the account, and the CA's key."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from acmez_testkit import Delay, EmbeddedCA

from acmez import FileKey
from acmez.acme.jws import SigningKey
from acmez.acme.problem import AccountDoesNotExist
from acmez.acme.trust import Trust
from tests.pebble import key_change_child
from tests.pebble.key_change_child import Place
from tests.pebble.server import Pebble

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([key_change_child.__name__])

STEPS = ["keep before", "keep after", "keyChange before", "keyChange after", "take before", "take after"]


@dataclass(frozen=True)
class CA:
    directory_url: str
    trust: Trust


@pytest.fixture(scope="module", params=["pebble", "embedded"])
def ca(request: pytest.FixtureRequest) -> Iterator[CA]:
    if request.param == "pebble":
        pebble: Pebble = request.getfixturevalue("pebble")
        yield CA(pebble.directory_url, pebble.trust)
        return
    with EmbeddedCA() as embedded:
        yield CA(embedded.directory_url, embedded.trust_pem)


class Resident:
    """An account with an EC key in a home of its own, and the key that it is to get."""

    def __init__(self, ca: CA, home: Path, *, in_file: bool, kind: str = "ec-p384") -> None:
        self.place = Place(ca.directory_url, ca.trust, home, in_file)
        self.new = SigningKey(FileKey(self.place.new_key.path, type=kind).get("account"))
        with self.place.client() as client:
            self.url = client.register(terms_of_service_agreed=True).url
            self.old = client.account().key

    @property
    def in_file(self) -> SigningKey:
        return SigningKey(self.place.key.get("account"))

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.place.home.iterdir()}

    def dies_at(self, step: str) -> None:
        process = processes.Process(target=key_change_child.change_and_die, args=(self.place, step))
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL

    def comes_back_with(self, key: SigningKey) -> None:
        """Fail unless a new process has the account, and the CA knows it by *key* alone."""
        with self.place.client() as client:
            account = client.account()
            assert (account.url, account.key.thumbprint) == (self.url, key.thumbprint)
            assert client.acme.account(account).status == "valid"
            assert client.acme.find_account(key).url == self.url
            other = self.new if key.same_as(self.old) else self.old
            with pytest.raises(AccountDoesNotExist):
                client.acme.find_account(other)


@pytest.mark.parametrize("step", STEPS)
def test_a_key_in_a_file(ca: CA, tmp_path: Path, step: str):
    resident = Resident(ca, tmp_path, in_file=True)
    resident.dies_at(step)
    key = resident.old if step == "keep before" else resident.new
    resident.comes_back_with(key)
    assert resident.in_file.same_as(key)
    assert resident.files == {"account.pem", "new.pem"}


@pytest.mark.parametrize("step", [step for step in STEPS if not step.startswith("take")])
def test_a_key_in_the_journal(ca: CA, tmp_path: Path, step: str):
    resident = Resident(ca, tmp_path, in_file=False)
    resident.dies_at(step)
    key = resident.old if step == "keep before" else resident.new
    resident.comes_back_with(key)
    resident.comes_back_with(key)  # though the settings still name the old one


def test_one_crash_after_the_other(ca: CA, tmp_path: Path):
    resident = Resident(ca, tmp_path, in_file=True, kind="rsa-2048")
    for step in ("keep after", "keyChange before", "keyChange after", "take before"):
        resident.dies_at(step)
    resident.comes_back_with(resident.new)
    assert resident.files == {"account.pem", "new.pem"}


def test_the_ca_acts_when_the_process_is_gone(tmp_path: Path):
    with EmbeddedCA() as embedded:
        resident = Resident(CA(embedded.directory_url, embedded.trust_pem), tmp_path, in_file=True)
        embedded.faults.add("key-change", Delay(0.4))
        resident.dies_at("keyChange during")
        resident.comes_back_with(resident.new)


def test_two_processes_finish_the_same_change(ca: CA, tmp_path: Path):
    resident = Resident(ca, tmp_path, in_file=True)
    resident.dies_at("keep after")
    barrier = threading.Barrier(2)
    found: list[str] = []

    def come_back() -> None:
        with resident.place.client() as client:
            barrier.wait(10)
            found.append(client.account().url)

    threads = [threading.Thread(target=come_back) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [resident.url] * 2
    resident.comes_back_with(resident.new)


@pytest.mark.parametrize(("before", "after"), [("ec-p256", "rsa-2048"), ("rsa-2048", "ec-p384")])
def test_from_one_kind_of_key_to_another(ca: CA, tmp_path: Path, before: str, after: str):
    FileKey(tmp_path / "account.pem", type=before).get("account")
    resident = Resident(ca, tmp_path, in_file=True, kind=after)
    with resident.place.client() as client:
        client.change_account_key(resident.place.new_key)
    resident.comes_back_with(resident.new)
    assert resident.in_file.same_as(resident.new)
