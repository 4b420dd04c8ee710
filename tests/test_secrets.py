"""Logs, events, traces, reprs and exceptions hold no private key, MAC key, passphrase or whole key authorization."""

from __future__ import annotations

import base64
import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from acmez_testkit import Answer, Drop, LoseAnswer, Problem, Truncate
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from acmez import (
    CertificateSpec,
    Challenge,
    ChallengesFailed,
    Client,
    DefaultRetry,
    PluginManager,
    Route,
    events,
    hookimpl,
)
from acmez.acme import ExternalAccount
from acmez.acme.scope import CancelScope
from acmez.cli.json_lines import JsonLines
from acmez.cli.progress import Lines
from acmez.journal import Journal
from acmez.keys import FileKey
from acmez.option_types import Secret
from acmez.tracing import spans
from tests.solvers import (
    BatchingTxtSolver,
    BlindWebSolver,
    CallWaiter,
    Lab,
    TxtSolver,
    WatchingWebSolver,
    WebSolver,
    fail,
    laboratory,
)

Start = Callable[..., Lab]
NAME = "www.example.org"
MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
OTHER_MAC = "AAAAZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
PASSPHRASE = "correct horse battery staple"


def spellings_of_key(key: ec.EllipticCurvePrivateKey) -> set[str]:
    """Return how a private key might be written."""
    number = key.private_numbers().private_value
    raw = number.to_bytes(32, "big")
    written = {str(number), f"{number:x}", f"{number:X}", repr(raw), *spellings_of_bytes(raw)}
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        body = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode().splitlines()[1:-1]
        written |= {body[1], "".join(body), *spellings_of_bytes(key.private_bytes(Encoding.DER, form, NoEncryption()))}
    return written


def spellings_of_bytes(secret: bytes) -> set[str]:
    coded = {base64.b64encode(secret), base64.urlsafe_b64encode(secret)}
    return {secret.hex(), *(text.rstrip(b"=").decode() for text in coded)}


@dataclass
class Ear:
    """Hears everything that one client tells, and knows what it must not tell.

    Attributes:
        secrets: what each is -> its spellings.
        told: every text.
        seen: every event.
    """

    caplog: pytest.LogCaptureFixture
    secrets: dict[str, set[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    account_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    certificate_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    seen: list[events.Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.secrets["account key"] = spellings_of_key(self.account_key)
        self.secrets["certificate key"] = spellings_of_key(self.certificate_key)
        for name, text in (("MAC key", MAC_KEY), ("other MAC key", OTHER_MAC)):
            self.secrets[name] = {text, *spellings_of_bytes(base64.urlsafe_b64decode(text))}

    def hear(self, event: events.Event) -> None:
        self.seen.append(event)
        JsonLines().see(event)
        Lines().see(event)

    def keep(self, challenge: Challenge, scope: CancelScope) -> None:
        """Learn a key authorization, as a solver does."""
        self.secrets.setdefault("key authorization", set()).add(challenge.key_authorization)
        self.told += [repr(challenge), str(challenge)]

    def obtain(self, client: Client) -> BaseException | None:
        """Obtain, and take note of whatever comes of it."""
        try:
            account = client.register()
            self.told += [repr(account), repr(account.key)]
            certificate = client.obtain(CertificateSpec(names=(NAME,), key=self.certificate_key))
        except Exception as exc:  # noqa: BLE001 - whatever it is, it must tell no secret
            self.told += ["".join(traceback.format_exception(exc)), repr(exc), repr(vars(exc)), str(exc)]
            return exc
        self.told += [repr(certificate), repr(certificate.chain), str(certificate)]
        return None

    def everything(self, client: Client, capsys: pytest.CaptureFixture[str]) -> str:
        for record in self.caplog.records:
            self.told += [record.getMessage(), repr(vars(record)), str(record.exc_text or "")]
        printed = capsys.readouterr()
        self.told += [repr(client), repr(vars(client.acme)), repr(self.seen), repr(spans(self.seen))]
        self.told += [self.caplog.text, printed.out, printed.err]
        return "\n".join(self.told)


def betrayed(secrets: Mapping[str, set[str]], text: str) -> set[str]:
    """Return which secrets are in *text*."""
    return {name for name, spellings in secrets.items() if any(spelling in text for spelling in spellings)}


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


@pytest.fixture
def ear(caplog: pytest.LogCaptureFixture) -> Ear:
    caplog.set_level(logging.DEBUG)
    for name in ("acmez", "urllib3", "requests", "dns"):
        caplog.set_level(logging.DEBUG, logger=name)
    return Ear(caplog)


def solver_of(kind: str, lab: Lab, ear: Ear) -> WebSolver | TxtSolver:
    match kind:
        case "http-01":
            return WebSolver(web=lab.web, on_present=ear.keep)
        case "dns-01":
            return TxtSolver(zone=lab.zone, on_present=ear.keep)
        case "blind":
            return BlindWebSolver(web=lab.web, on_present=ear.keep)
        case _:
            return BlindWebSolver(web=lab.web, on_present=ear.keep, on_clean_up=fail)


def test_the_search_finds_what_it_looks_for(caplog: pytest.LogCaptureFixture):
    ear = Ear(caplog)
    pem = ear.account_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert betrayed(ear.secrets, repr(pem)) == {"account key"}
    assert betrayed(ear.secrets, str(ear.certificate_key.private_numbers().private_value)) == {"certificate key"}
    assert betrayed(ear.secrets, f"the key {MAC_KEY} is wrong") == {"MAC key"}
    assert betrayed(ear.secrets, "nothing") == set()


@pytest.mark.parametrize("journal", [False, True], ids=["no journal", "journal"])
@pytest.mark.parametrize("kind", ["http-01", "dns-01", "blind", "failing clean-up"])
def test_an_issuance_tells_none(
    start: Start, ear: Ear, capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str, *, journal: bool
):
    lab = start(external_accounts={"customer-1": MAC_KEY})
    kept = Journal(tmp_path / "acmez.journal") if journal else None
    client = lab.stranger(
        solver_of(kind, lab, ear),
        account_key=ear.account_key,
        external_account=ExternalAccount("customer-1", MAC_KEY),
        journal=kept,
        on_event=ear.hear,
    )
    failed = ear.obtain(client)
    assert (failed is None) == (kind in {"http-01", "dns-01"})
    text = ear.everything(client, capsys) + repr(kept)
    if kept is not None:
        kept.close()
    assert "newOrder" in text
    assert "key authorization" in ear.secrets
    assert betrayed(ear.secrets, text) == set()


def spill(challenge: Challenge, scope: CancelScope) -> None:
    raise RuntimeError(f"{challenge.key_authorization} does not go to {challenge.token}")


@dataclass
class Spills(WatchingWebSolver):
    """Tells what it must not, wherever it can."""

    ear: Ear = field(kw_only=True)
    step: str = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_present = self.at("present")
        self.on_clean_up = self.at("clean_up")

    def at(self, step: str) -> Callable[[Challenge, CancelScope], None]:
        def call(challenge: Challenge, scope: CancelScope) -> None:
            self.ear.keep(challenge, scope)
            if step == self.step:
                spill(challenge, scope)

        return call

    def payload(self, challenge: Challenge) -> dict[str, str]:
        self.at("respond")(challenge, CancelScope())
        return {}

    def validated(self, challenge: Challenge) -> threading.Event:
        self.at("validated")(challenge, CancelScope())
        return super().validated(challenge)


@pytest.mark.parametrize("step", ["present", "wait", "respond", "validated", "clean_up"])
def test_a_plugin_that_raises_them_gets_none_told(
    start: Start, ear: Ear, capsys: pytest.CaptureFixture[str], tmp_path: Path, step: str
):
    lab = start()
    solver = Spills(web=lab.web, ear=ear, step=step)
    route = Route(solver, waiter=CallWaiter(solver.at("wait")))
    journal = tmp_path / "acmez.journal"
    client = lab.stranger(route, account_key=ear.account_key, journal=journal, on_event=ear.hear)
    failed = ear.obtain(client)
    solver.step = ""
    client.sweep()
    text = ear.everything(client, capsys)
    assert "<key authorization> does not go to <token>" in text
    assert (failed is None) == (step in {"validated", "clean_up"})
    assert "key authorization" in ear.secrets
    assert betrayed(ear.secrets, text) == set()


def test_a_plugin_that_raises_them_for_a_batch_gets_none_told(
    start: Start, ear: Ear, capsys: pytest.CaptureFixture[str]
):
    lab = start()
    spilt: list[Challenge] = []

    def spill_all(challenge: Challenge, scope: CancelScope) -> None:
        ear.keep(challenge, scope)
        spilt.append(challenge)
        if len(spilt) == 2:
            raise RuntimeError(" ".join(each.key_authorization for each in spilt))

    client = lab.client(BatchingTxtSolver(zone=lab.zone, on_present=spill_all), on_event=ear.hear)
    with pytest.raises(ChallengesFailed, match="<key authorization> <key authorization>") as raised:
        client.obtain([NAME, "mail.example.org"])
    ear.told.append("".join(traceback.format_exception(raised.value)))
    assert betrayed(ear.secrets, ear.everything(client, capsys)) == set()


class Leaky:
    """A plugin whose hook tells what it was asked about."""

    @hookimpl
    def acmez_choose_challenge(self, challenges: Sequence[Challenge]) -> Challenge | None:
        raise RuntimeError(f"which one?\x1b[2J {', '.join(each.key_authorization for each in challenges)}")


def test_a_hook_that_raises_them_gets_none_told(start: Start, ear: Ear, capsys: pytest.CaptureFixture[str]):
    lab = start()
    plugins = PluginManager(discover=False).register(Leaky(), "leaky")
    client = lab.client(WebSolver(web=lab.web), plugins=plugins, on_event=ear.hear)
    with pytest.raises(RuntimeError, match="which one") as raised:  # it is the plugin's own, and stays as it is
        client.obtain([NAME])
    ear.secrets["key authorization"] = {str(raised.value).rpartition(" ")[2]}
    text = ear.everything(client, capsys)
    assert "which one?\ufffd[2J <key authorization>" in text
    assert betrayed(ear.secrets, text) == set()


@pytest.mark.parametrize("action", [Drop(), LoseAnswer(), Truncate(10), Answer(200, b"<html>"), Problem("malformed")])
@pytest.mark.parametrize("request_", ["directory", "new-account", "new-order", "authz", "challenge", "finalize"])
def test_a_ca_that_fails_gets_none_told(
    start: Start, ear: Ear, capsys: pytest.CaptureFixture[str], request_: str, action: Drop
):
    lab = start(external_accounts={"customer-1": MAC_KEY})
    lab.ca.faults.add(request_, action, times=None)
    client = lab.stranger(
        solver_of("http-01", lab, ear),
        account_key=ear.account_key,
        external_account=ExternalAccount("customer-1", MAC_KEY),
        retry=DefaultRetry(attempts=1),
        on_event=ear.hear,
    )
    ear.obtain(client)
    lab.ca.faults.clear()
    assert betrayed(ear.secrets, ear.everything(client, capsys)) == set()


def test_a_binding_that_the_ca_refuses_is_not_told(start: Start, ear: Ear, capsys: pytest.CaptureFixture[str]):
    lab = start(external_accounts={"customer-1": OTHER_MAC})
    binding = ExternalAccount("customer-1", MAC_KEY)
    client = lab.stranger(account_key=ear.account_key, external_account=binding, on_event=ear.hear)
    assert ear.obtain(client) is not None
    assert betrayed(ear.secrets, repr(binding) + ear.everything(client, capsys)) == set()


@pytest.mark.parametrize("trouble", ["wrong passphrase", "shared", "damaged", "none"])
def test_a_key_file_tells_neither_key_nor_passphrase(ear: Ear, tmp_path: Path, trouble: str):
    path = tmp_path / "account.pem"
    FileKey(path, passphrase=Secret(PASSPHRASE)).get("account")
    pem = path.read_text()
    if trouble == "shared":
        path.chmod(0o644)
    if trouble == "damaged":
        path.write_text(pem.replace("A", "!"))
    provider = FileKey(path, passphrase=Secret("wrong " + PASSPHRASE if trouble == "wrong passphrase" else PASSPHRASE))
    told = [repr(provider), str(provider)]
    try:
        told.append(repr(provider.get("account")))
    except Exception as exc:  # noqa: BLE001 - whatever it is, it must tell no secret
        told += ["".join(traceback.format_exception(exc)), repr(exc), repr(vars(exc))]
    assert len(told) == (3 if trouble == "none" else 5)
    secrets = {"passphrase": {PASSPHRASE}, "file": {pem.splitlines()[1]}}
    assert betrayed(secrets, "\n".join([*told, ear.caplog.text])) == set()


def test_what_was_presented_and_is_left_in_the_journal_is_not_told(
    start: Start, ear: Ear, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    lab = start()
    path = tmp_path / "acmez.journal"
    solver = TxtSolver(zone=lab.zone, on_present=ear.keep, on_clean_up=fail)
    with Journal(path) as journal:
        client = lab.stranger(solver, account_key=ear.account_key, journal=journal, on_event=ear.hear)
        ear.obtain(client)
    assert lab.zone.records
    solver.on_clean_up = lambda challenge, scope: None
    with Journal(path) as journal:
        later = lab.stranger(solver, account_key=ear.account_key, journal=journal, on_event=ear.hear)
        ear.told += [*later.sweep(), repr(journal.abandoned())]
        text = ear.everything(client, capsys) + ear.everything(later, capsys)
    lab.zone.records.clear()
    assert "key authorization" in ear.secrets
    assert betrayed(ear.secrets, text) == set()
