"""Many certificates: results as they finish, no failure stops the rest, and no more in memory than at work."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from acmez_http_webroot import WebrootSolver
from acmez_testkit import Problem

import acmez.errors
from acmez import (
    AcmeError,
    Cancelled,
    CancelScope,
    Certificate,
    CertificateSpec,
    Challenge,
    ChallengesFailed,
    Client,
    DeadlineExceeded,
    FileKey,
    InputError,
    KeyFileError,
    KeyProviderError,
    ProblemError,
)
from acmez.acme.jws import PrivateKey
from acmez.csr import certificate_names
from acmez.events import CertificateWritten, Event
from acmez.fleet import Issued, _Obtain
from acmez.journal import Journal
from acmez.keys import generate
from tests.pebble.crash_zone import serving_files
from tests.solvers import Lab, WebSolver, laboratory

Start = Callable[..., Lab]

processes = multiprocessing.get_context("forkserver")


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def names(count: int) -> list[list[str]]:
    return [[f"host-{number}.example.org"] for number in range(count)]


def names_of(certificate: Certificate) -> list[str]:
    return sorted(value for _, value in certificate_names(certificate.leaf))


def test_each_specification_gets_its_certificate(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    specs = [CertificateSpec(tuple(each)) for each in names(10)]
    issued = list(client.obtain_many(specs, at_once=3))
    assert len(issued) == 10
    assert {each.spec for each in issued} == set(specs)
    assert all(names_of(each.result()) == [*each.spec.names] for each in issued)
    assert all(each.error is None for each in issued)


class Broken:
    """A key provider with a bug."""

    name: ClassVar[str] = "broken"

    def get(self, purpose: str) -> PrivateKey:
        raise ZeroDivisionError(purpose)


def test_no_failure_stops_the_rest(start: Start, tmp_path: Path):
    lab = start(rejected_names=frozenset({"refused.example.org"}))
    client = lab.client(WebSolver(web=lab.web))
    specs = [
        CertificateSpec(("refused.example.org",)),
        CertificateSpec(("one.example.org",)),
        CertificateSpec(("*.example.org",)),
        CertificateSpec(("no name",)),
        CertificateSpec(("two.example.org",), key=FileKey(tmp_path / "nowhere" / "key.pem")),
        CertificateSpec(("three.example.org",), key=Broken()),
        CertificateSpec(("four.example.org",)),
    ]
    issued = {each.spec.names[0]: each for each in client.obtain_many(specs, at_once=2)}
    kinds = {name: type(each.error) for name, each in issued.items() if each.error is not None}
    assert kinds.pop("refused.example.org").__name__ == "RejectedIdentifier"
    assert kinds == {
        "*.example.org": ChallengesFailed,
        "no name": InputError,
        "two.example.org": KeyFileError,
        "three.example.org": KeyProviderError,
    }
    assert {name for name, each in issued.items() if each.certificate} == {"one.example.org", "four.example.org"}
    with pytest.raises(KeyProviderError, match="ZeroDivisionError: certificate") as caught:
        issued["three.example.org"].result()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(AssertionError, match="neither"):
        Issued(specs[0]).result()


def test_specifications_are_read_when_there_is_room(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    read: list[int] = []

    def endless() -> Iterator[list[str]]:
        for number in itertools.count():
            read.append(number)
            yield [f"host-{number}.example.org"]

    issued = client.obtain_many(endless(), at_once=2)
    assert read == []
    for taken in range(1, 6):
        assert next(issued).error is None
        assert len(read) <= taken + 1
    close(issued)


def close(issued: Iterator[Issued]) -> None:
    issued.close()  # type: ignore[attr-defined]


def test_results_are_not_kept(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web))
    given: list[weakref.ref[Certificate]] = []
    alive: list[int] = []
    for each in client.obtain_many(names(12), at_once=2):
        assert each.certificate is not None
        given.append(weakref.ref(each.certificate))
        del each
        gc.collect()
        alive.append(sum(certificate() is not None for certificate in given))
    assert len(given) == 12
    assert max(alive) <= 1


def test_who_stops_reading_cancels_the_rest(start: Start):
    """The laboratory looks whether anything is left behind."""
    lab = start(validation_delay=0.2)
    solver = WebSolver(web=lab.web)
    issued = lab.client(solver).obtain_many(names(20), at_once=4)
    next(issued)
    close(issued)
    assert solver.left == set()
    assert len(solver.called("present")) <= 8


def test_a_source_that_fails_cancels_the_rest(start: Start):
    lab = start(validation_delay=0.2)
    solver = WebSolver(web=lab.web)

    def failing() -> Iterator[list[str]]:
        yield from names(2)
        raise LookupError("the database is gone")

    with pytest.raises(LookupError, match="the database is gone"):
        list(lab.client(solver).obtain_many(failing(), at_once=4))
    assert solver.left == set()


def test_a_cancelled_scope_ends_it_after_all_results_that_there_are(start: Start):
    lab = start()
    scope = CancelScope()
    solver = WebSolver(web=lab.web, on_present=lambda challenge, _: scope.cancel("enough"))
    results: list[Issued] = []
    with pytest.raises(Cancelled, match="enough"):
        tell(lab.client(solver).obtain_many(names(20), at_once=4, scope=scope), results)
    assert 0 < len(results) <= 4
    assert all(isinstance(each.error, Cancelled) for each in results)
    with pytest.raises(Cancelled):
        next(lab.client(solver).obtain_many(names(1), scope=scope))


def tell(issued: Iterator[Issued], results: list[Issued]) -> None:
    """Note each result as it comes: there may be an error after the last one."""
    results.extend(issued)


def test_a_source_may_heed_the_scope_too(start: Start):
    lab = start(validation_delay=5.0)
    scope = CancelScope()

    def heeding() -> Iterator[list[str]]:
        yield from names(2)
        scope.cancel("enough")
        scope.check()

    results: list[Issued] = []
    with pytest.raises(Cancelled, match="enough"):
        tell(lab.client(WebSolver(web=lab.web)).obtain_many(heeding(), at_once=4, scope=scope), results)
    assert len(results) == 2


def test_a_deadline_ends_it(start: Start):
    lab = start(validation_delay=5.0)
    with pytest.raises(DeadlineExceeded):
        list(lab.client(WebSolver(web=lab.web)).obtain_many(names(20), at_once=4, scope=CancelScope(0.2)))


def test_nothing_at_once_is_refused(start: Start):
    with pytest.raises(InputError, match="at_once: 0 is not at least 1"):
        start().client().obtain_many(names(1), at_once=0)


def test_nothing_to_obtain(start: Start):
    assert list(start().client().obtain_many([])) == []


# Executors


def test_threads_of_the_callers_own(start: Start):
    lab = start()
    with ThreadPoolExecutor(2) as threads:
        issued = list(lab.client(WebSolver(web=lab.web)).obtain_many(names(6), executor=threads, at_once=4))
    assert sorted(names_of(each.result())[0] for each in issued) == [each[0] for each in names(6)]


def test_threads_of_the_callers_own_end_with_the_scope(start: Start):
    lab = start(validation_delay=5.0)
    scope = CancelScope()
    solver = WebSolver(web=lab.web, on_present=lambda challenge, _: scope.cancel("enough"))
    results: list[Issued] = []
    with ThreadPoolExecutor(2) as threads, pytest.raises(Cancelled, match="enough"):
        tell(lab.client(solver).obtain_many(names(9), executor=threads, at_once=4, scope=scope), results)
    assert results
    assert all(isinstance(each.error, Cancelled) for each in results)
    # Those that waited for a thread never began, unless one was quicker than the cancellation.
    assert {str(each.error) for each in results} <= {"enough", "cancelled before it began"}
    assert solver.left == set()


def test_an_executor_that_takes_nothing_more_fails_each(start: Start):
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    issued = list(start().client().obtain_many(names(3), executor=threads))
    assert [str(each.error) for each in issued] == ["cannot schedule new futures after shutdown"] * 3


def test_a_result_that_cannot_be_had_is_an_error(start: Start):
    class Odd:
        """Runs nothing, and says that it was cancelled."""

        def submit(self, fn: Callable[..., Certificate], /, *args: object) -> Future[Certificate]:
            future: Future[Certificate] = Future()
            future.cancel()
            return future

    (issued,) = start().client().obtain_many(names(1), executor=Odd())
    assert isinstance(issued.error, Cancelled)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Path, Lab]]:
    """A webroot that other processes can write to, and a CA that looks there."""
    (tmp_path / "webroot").mkdir()
    with ExitStack() as stack:
        port = stack.enter_context(serving_files(tmp_path / "webroot"))
        lab = stack.enter_context(laboratory(http_port=port))
        yield tmp_path, lab
        assert not [path for path in (tmp_path / "webroot").rglob("*") if path.is_file()]


def away(home: Path, lab: Lab, **settings: Any) -> Client:
    """Return a client that can be sent to other processes."""
    client = lab.client(
        WebrootSolver(path=home / "webroot"), account_key=FileKey(home / "account.pem"), journal=home / "j", **settings
    )
    assert isinstance(client, Client)
    return client


def test_other_processes(home: tuple[Path, Lab]):
    path, lab = home
    client = away(path, lab)
    with ProcessPoolExecutor(2, mp_context=processes) as pool:
        for issued in client.obtain_many(names(6), executor=pool, at_once=4):
            issued.result().write(path / "certs" / issued.spec.names[0])
    assert len(list((path / "certs").iterdir())) == 6
    assert len(lab.ca.orders) == len(lab.ca.certificates) == 6
    with Journal(path / "j") as journal:
        assert journal._file.read("SELECT * FROM orders", ()) == []


def test_a_copy_in_another_process_is_closed_after_its_call(home: tuple[Path, Lab]):
    path, lab = home
    with CancelScope() as scope:
        obtain = pickle.loads(pickle.dumps(_Obtain(away(path, lab), scope)))  # noqa: S301
    certificate = obtain(CertificateSpec(("host.example.org",)))
    assert names_of(certificate) == ["host.example.org"]
    assert obtain.client._engine.journal._file._database is None


def test_an_account_for_the_moment_goes_along(home: tuple[Path, Lab]):
    path, lab = home
    for key in (None, generate("ec-p256")):
        client = lab.client(WebrootSolver(path=path / "webroot"), account_key=key)
        with ProcessPoolExecutor(1, mp_context=processes) as pool:
            (issued,) = client.obtain_many(names(1), executor=pool)
        assert names_of(issued.result()) == names(1)[0]


def test_who_watches_hears_of_the_files_of_another_process_certificate(home: tuple[Path, Lab]):
    path, lab = home
    written: list[Event] = []
    client = lab.client(WebrootSolver(path=path / "webroot"))
    client.watch(lambda event: written.append(event) if isinstance(event, CertificateWritten) else None)
    with ProcessPoolExecutor(1, mp_context=processes) as pool:
        (issued,) = client.obtain_many(names(1), executor=pool)
    certificate = issued.result()
    certificate.write(path / "certs")
    (event,) = written
    assert isinstance(event, CertificateWritten)
    assert (event.names, event.directory, event.order) == (tuple(names(1)[0]), path / "certs", certificate.order_url)
    assert (int(event.serial, 16), event.until) == (
        certificate.leaf.serial_number,
        certificate.leaf.not_valid_after_utc,
    )


class DyingSolver(WebrootSolver):
    """Kills its process at one name, the first time."""

    def present(self, challenge: Challenge, scope: CancelScope) -> Any:
        handle = super().present(challenge, scope)
        marker = Path(str(self.path)).parent / "died"
        if str(challenge.identifier) == "host-1.example.org" and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return handle


def test_a_pool_that_breaks_fails_each_and_the_next_one_goes_on(home: tuple[Path, Lab]):
    path, lab = home
    client = lab.client(
        DyingSolver(path=path / "webroot"), account_key=FileKey(path / "account.pem"), journal=path / "j"
    )
    with ProcessPoolExecutor(1, mp_context=processes) as pool:
        first = list(client.obtain_many(names(4), executor=pool, at_once=2))
    assert [type(each.error) for each in first[1:]] == [BrokenProcessPool] * 3
    assert first[0].error is None
    again = [each.spec for each in first if each.error is not None]
    with ProcessPoolExecutor(2, mp_context=processes) as pool:
        second = list(client.obtain_many(again, executor=pool))
    assert all(each.certificate is not None for each in second)
    assert client.sweep() == []
    assert len(lab.ca.orders) == 4


def test_what_cannot_be_sent_fails_alone(home: tuple[Path, Lab]):
    path, lab = home
    specs = [CertificateSpec(("one.example.org",), key=Unsendable()), CertificateSpec(("two.example.org",))]
    with ProcessPoolExecutor(1, mp_context=processes) as pool:
        issued = {each.spec.names[0]: each for each in away(path, lab).obtain_many(specs, executor=pool)}
    assert isinstance(issued["one.example.org"].error, TypeError)
    assert issued["two.example.org"].certificate is not None


class Unsendable:
    """Holds what cannot be pickled."""

    name: ClassVar[str] = "unsendable"

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def get(self, purpose: str) -> PrivateKey:
        return generate("ec-p256")


def test_an_error_in_another_process_comes_back_with_all_that_it_says(home: tuple[Path, Lab]):
    path, lab = home
    lab.ca.faults.add("new-order", Problem("rateLimited", status=429, headers={"Retry-After": "7200"}))
    with ProcessPoolExecutor(1, mp_context=processes) as pool:
        (issued,) = away(path, lab).obtain_many(names(1), executor=pool)
    assert isinstance(issued.error, ProblemError)
    assert issued.error.retry_after == 7200
    assert issued.error.problem.code == "rateLimited"


# What goes to other processes


def tree(kind: type[AcmeError]) -> set[type[AcmeError]]:
    return {kind}.union(*(tree(each) for each in kind.__subclasses__() if each.__module__.startswith("acmez")))


ERRORS = sorted(tree(AcmeError), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind: type[AcmeError]):
    error = AcmeError.__new__(kind)
    error.args = ("what happened",)
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    attributes = {"url": "https://ca.example", "status": 429, "not_before": moment, "problems": ("one", "two")}
    error.__dict__.update(attributes)
    error.add_note("call register() first")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is kind
    assert copy.args == ("what happened",)
    assert copy.__dict__ == {**attributes, "__notes__": ["call register() first"]}


def test_what_an_issuance_raises_survives_pickling():
    failed = acmez.errors.FailedIdentifier("example.org", "dns-01", "dns", "present", "no")
    error = ChallengesFailed([failed], order_url="https://ca.example/order/1")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (copy.failed, copy.order_url, str(copy)) == ((failed,), "https://ca.example/order/1", str(error))
