"""The client for asyncio: cancelling the task ends the issuance, and waits for its clean-up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from acmez_testkit import Drop

from acmez import (
    Cancelled,
    CancelScope,
    Challenge,
    DefaultRetry,
    FileKey,
    InputError,
    ProblemError,
    TransportError,
)
from acmez import Client as SyncClient
from acmez.aio import Client, from_config
from acmez.csr import certificate_names
from acmez.journal import Journal
from tests.solvers import Lab, WebSolver, laboratory
from tests.test_journal import answered_by, begin, challenge

Start = Callable[..., Lab]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def client(lab: Lab, *solvers: Any, **settings: Any) -> Client:
    return Client(
        lab.ca.directory_url, solvers=solvers, trust=lab.ca.trust_pem, terms_of_service_agreed=True, **settings
    )


def test_a_certificate_from_its_order_to_its_revocation(start: Start):
    lab = start()

    async def work() -> None:
        async with client(lab, WebSolver(web=lab.web)) as ca:
            account = await ca.register(["mailto:admin@example.org"])
            assert account.url == (await ca.register()).url
            certificate = await ca.obtain(["www.example.org"], timeout=10)
            assert certificate_names(certificate.leaf) == {("dns", "www.example.org")}
            window = await ca.renewal_info(certificate.leaf)
            assert window.start < certificate.leaf.not_valid_after_utc
            assert window.start <= (await ca.due(certificate.leaf)).not_before <= window.end
            assert (await ca.due(certificate.leaf, now=window.end)).due
            await ca.revoke(certificate.leaf)
            await ca.revoke(certificate.leaf)  # once more is no error
            assert (await ca.deactivate_account()).status == "deactivated"

    asyncio.run(work())


def test_errors_come_out_as_they_are(start: Start):
    lab = start(rejected_names=frozenset({"refused.example.org"}))

    async def work() -> None:
        async with client(lab, WebSolver(web=lab.web)) as ca:
            await ca.register()
            with pytest.raises(ProblemError, match="rejectedIdentifier"):
                await ca.obtain(["refused.example.org"])
            with pytest.raises(InputError, match="no name"):
                await ca.obtain(["no name"])

    asyncio.run(work())


def test_many_at_once(start: Start):
    lab = start()

    async def work() -> None:
        async with client(lab, WebSolver(web=lab.web)) as ca:
            await ca.register()
            wanted = [f"host-{number}.example.org" for number in range(30)]
            issued = await asyncio.gather(*(ca.obtain([name]) for name in wanted))
            assert [{value for _, value in certificate_names(each.leaf)} for each in issued] == [{n} for n in wanted]

    asyncio.run(work())


def test_the_loop_goes_on_meanwhile(start: Start):
    lab = start(validation_delay=0.3)

    async def work() -> int:
        async with client(lab, WebSolver(web=lab.web)) as ca:
            await ca.register()
            task = asyncio.create_task(ca.obtain(["www.example.org"]))
            turns = 0
            while not task.done():
                await asyncio.sleep(0.01)
                turns += 1
            await task
            return turns

    assert asyncio.run(work()) > 10


def test_a_cancelled_task_ends_when_everything_is_cleaned_up(start: Start):
    lab = start(validation_delay=5.0)
    answered = threading.Event()
    solver = WebSolver(web=lab.web)

    async def work() -> None:
        async with client(lab, solver, on_event=_setting(answered, "challenge-answered")) as ca:
            await ca.register()
            task = asyncio.create_task(ca.obtain(["www.example.org"]))
            await asyncio.to_thread(answered.wait, 10)
            assert solver.left
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not solver.left
            assert task.cancelled()

    asyncio.run(work())


def _setting(event: threading.Event, name: str) -> Callable[[Any], None]:
    return lambda happened: event.set() if happened.name == name else None


def test_a_timeout_of_asyncio_ends_it_likewise(start: Start):
    lab = start(validation_delay=5.0)
    solver = WebSolver(web=lab.web)

    async def work() -> None:
        async with client(lab, solver) as ca:
            await ca.register()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await ca.obtain(["www.example.org"])
            assert not solver.left

    asyncio.run(work())
    assert solver.called("present")


def test_a_failing_task_of_a_group_ends_the_others(start: Start):
    lab = start(validation_delay=5.0, rejected_names=frozenset({"refused.example.org"}))
    answered = threading.Event()
    solver = WebSolver(web=lab.web)

    async def work() -> None:
        async with client(lab, solver, on_event=_setting(answered, "challenge-answered")) as ca:
            await ca.register()

            async def refused() -> None:
                await asyncio.to_thread(answered.wait, 10)
                await ca.obtain(["refused.example.org"])

            async def both() -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(ca.obtain(["www.example.org"]))
                    group.create_task(refused())

            with pytest.raises(ExceptionGroup) as raised:
                await both()
            assert raised.group_contains(ProblemError, match="rejectedIdentifier")
            assert not solver.left

    asyncio.run(work())


def test_who_cancels_twice_waits_for_nothing(start: Start):
    lab = start()
    cleaning, go_on = threading.Event(), threading.Event()

    def clean_slowly(challenge: Challenge, scope: CancelScope) -> None:
        cleaning.set()
        go_on.wait(10)

    solver = WebSolver(web=lab.web, on_present=lambda *_: shown.set(), on_clean_up=clean_slowly)
    shown = threading.Event()

    async def work() -> None:
        async with client(lab, solver) as ca:
            await ca.register()
            task = asyncio.create_task(ca.obtain(["www.example.org"]))
            await asyncio.to_thread(shown.wait, 10)
            task.cancel()
            await asyncio.to_thread(cleaning.wait, 10)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
        assert not solver.left  # closing waits

    asyncio.run(work())


def test_what_has_not_begun_is_not_begun_any_more(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acmez.aio._MAX_CALLS", 1)
    lab = start(validation_delay=0.3)
    solver = WebSolver(web=lab.web)

    async def work() -> None:
        async with client(lab, solver) as ca:
            await ca.register()
            first = asyncio.create_task(ca.obtain(["one.example.org"]))
            second = asyncio.create_task(ca.obtain(["two.example.org"]))
            await asyncio.sleep(0.05)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            assert not first.done()
            await first

    asyncio.run(work())
    assert solver.called("present") == ["one.example.org"]


def test_sweeping(start: Start, tmp_path: Path):
    lab = start()
    with Journal(tmp_path / "j") as journal:
        entry = begin(journal)
        journal.presenting(entry, answered_by("web", challenge(kind="http-01")))

    async def work() -> None:
        async with client(lab, WebSolver(web=lab.web), journal=tmp_path / "j") as ca:
            assert await ca.sweep() == []

    asyncio.run(work())
    with Journal(tmp_path / "j") as journal:
        assert journal.abandoned() == []


def public(kind: type) -> dict[str, list[str]]:
    """Return the public methods with their parameters; a scope is what cancelling a task is for."""
    methods = {name: method for name, method in vars(kind).items() if not name.startswith("_") and callable(method)}
    return {
        name: [each for each in signature(method).parameters if each != "scope"] for name, method in methods.items()
    }


def test_it_has_every_method_of_the_synchronous_one():
    assert public(Client) == public(SyncClient)


def test_the_account_changes_its_contacts_and_its_key(start: Start, tmp_path: Path):
    lab = start()
    key = FileKey(tmp_path / "account.pem")

    async def work() -> None:
        async with client(lab, account_key=key) as ca:
            registered = await ca.register()
            before = registered.key
            assert (await ca.update_account(["mailto:a@example.org"])).contact == ("mailto:a@example.org",)
            assert (await ca.change_account_key()).url == (await ca.account()).url == registered.url
            assert not before.same_as((await ca.account()).key)

    asyncio.run(work())
    assert lab.ca.accounts[0].contact == ("mailto:a@example.org",)


def test_obtaining_many_yields_each_as_it_is_done(start: Start):
    lab = start(rejected_names=frozenset({"refused.example.org"}))

    async def work() -> None:
        async with client(lab, WebSolver(web=lab.web)) as ca:
            await ca.register()
            names = [*(f"host-{number}.example.org" for number in range(12)), "refused.example.org"]
            outcomes = {issued.spec.names[0]: issued async for issued in ca.obtain_many([n] for n in names)}
            assert set(outcomes) == set(names)
            assert isinstance(outcomes.pop("refused.example.org").error, ProblemError)
            assert all(issued.certificate for issued in outcomes.values())
            with pytest.raises(InputError, match="at_once"):
                await anext(ca.obtain_many([["www.example.org"]], at_once=0))

    asyncio.run(work())


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_who_stops_reading_has_everything_cleaned_up(start: Start, end: str):
    lab = start(validation_delay=5.0)
    answered = threading.Event()
    solver = WebSolver(web=lab.web)

    async def work() -> None:
        async with client(lab, solver, on_event=_setting(answered, "challenge-answered")) as ca:
            await ca.register()
            results = ca.obtain_many([[f"host-{number}.example.org"] for number in range(3)])
            reading = asyncio.create_task(anext(results))
            await asyncio.to_thread(answered.wait, 10)
            assert solver.left
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert not solver.left
            assert [issued async for issued in results] == []

    async def close() -> None:
        async with client(lab, solver, on_event=_setting(answered, "challenge-answered")) as ca:
            await ca.register()
            results = ca.obtain_many([["one.example.org"], ["refused name"], ["two.example.org"]])
            async with aclosing(results):
                first = await anext(results)
                assert first.error is not None
                await asyncio.to_thread(answered.wait, 10)
            assert not solver.left

    asyncio.run(work() if end == "cancel" else close())


def test_resuming_goes_on_with_what_is_left(start: Start, tmp_path: Path):
    lab = start()
    lab.ca.faults.add("finalize", Drop(), times=None)
    settings = {"account_key": FileKey(tmp_path / "account.pem"), "journal": tmp_path / "j"}

    async def work() -> None:
        async with client(lab, WebSolver(web=lab.web), retry=DefaultRetry(attempts=1), **settings) as ca:
            await ca.register()
            with pytest.raises(TransportError):
                await ca.obtain(["www.example.org"])
            lab.ca.faults.clear()
            assert [spec.names for spec in await ca.unfinished()] == [("www.example.org",)]
            (issued,) = [issued async for issued in ca.resume()]
            certificate = await ca.adopt(issued.result())
            certificate.write(tmp_path / "certs")
            assert await ca.unfinished() == []

    asyncio.run(work())
    assert lab.requests()["new-order"] == 1


def test_a_configuration_file_describes_it(start: Start, tmp_path: Path):
    lab = start()
    trust = lab.ca.write_trust(tmp_path / "trust.pem")
    (tmp_path / "acmez.toml").write_text(
        f'directory = "{lab.ca.directory_url}"\ntrust = "{trust}"\n'
        "[account]\nterms_of_service_agreed = true\n[[certificate]]\nnames = ['www.example.org']\n"
    )

    async def work() -> None:
        async with from_config(tmp_path / "acmez.toml") as ca:
            assert [spec.names for spec in ca.certificates] == [("www.example.org",)]
            await ca.register()

    asyncio.run(work())
    assert len(lab.ca.accounts) == 1


def test_the_sync_client_is_behind_it(start: Start):
    lab = start()

    async def work() -> None:
        async with client(lab, WebSolver(web=lab.web)) as ca:
            await ca.register()
            scope = CancelScope()
            scope.cancel()
            with pytest.raises(Cancelled):
                ca.sync.obtain(["www.example.org"], scope=scope)

    asyncio.run(work())


TYPED = """
import acmez
from acmez.aio import Client

async def work(journal: str) -> acmez.Certificate:
    async with Client("letsencrypt", journal=journal, parallelism=4, cleanup_timeout=1.5) as client:
        reveal_type(client.sync)
        return await client.obtain(["example.org"], timeout=3.0)

Client()
Client("letsencrypt", parallelism="many")
Client("letsencrypt", solver=[])
"""


def test_the_constructor_has_the_types_of_the_synchronous_one(tmp_path: Path):
    (tmp_path / "typed.py").write_text(TYPED)
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir=cache", "typed.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(root), "PATH": ""}, capture_output=True, text=True, check=False
    )
    lines = [line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("typed.py")]
    told = [line for line in lines if line.startswith("error: ") or "Revealed" in line]
    assert told == [
        'note: Revealed type is "acmez.client.Client"',
        'error: Missing positional argument "directory" in call to "Client"  [call-arg]',
        'error: Argument "parallelism" to "Client" has incompatible type "str"; expected "int"  [arg-type]',
        'error: Unexpected keyword argument "solver" for "Client"; did you mean "solvers"?  [call-arg]',
    ]
