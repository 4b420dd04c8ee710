"""`acmez obtain` and `acmez resume`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .parameters import config_option, shown_options, trace_option

if TYPE_CHECKING:
    from acmez.acme.errors import Cancelled
    from acmez.acme.scope import CancelScope
    from acmez.client import Client
    from acmez.plugins import PluginManager
    from acmez.spec import CertificateSpec

    from .progress import Display
    from .tally import Tally

_TOLD = 5  # certificates that are told by name


@click.command(short_help="Obtain the certificates of a configuration.")
@config_option
@shown_options
@trace_option
@click.option("--due", is_flag=True, help="Obtain only what is missing, or due to be renewed: for timers.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Give up after so long."
)
def obtain(config: Path, timeout: float | None, trace: Path | None, *, due: bool, quiet: bool, as_json: bool) -> int:
    """Obtain the certificates of a configuration, and write their files.

    With a journal, what an earlier process did not finish is gone on with.

    With --due only those are obtained whose files are missing, damaged, or for other names, and those that are due:
    when the CA wants it (RFC 9773), or with the last third of their lifetime where it does not say.
    """

    def specs(client: Client, shown: Display, scope: CancelScope) -> Sequence[CertificateSpec]:
        from acmez.acme.problem import AccountDoesNotExist

        from .due import due_of

        wanted = due_of(client, shown, scope) if due else client.certificates
        if wanted:
            try:
                client.account(scope=scope)
            except AccountDoesNotExist:
                client.register(scope=scope)
        return wanted

    return _run(config, specs, check_directories, timeout=timeout, trace=trace, quiet=quiet, as_json=as_json)


@click.command(short_help="Go on with what a crash left in the journal.")
@config_option
@shown_options
@trace_option
def resume(config: Path, trace: Path | None, *, quiet: bool, as_json: bool) -> int:
    """Go on with the orders that an earlier process left in the journal, and write their certificates."""

    def specs(client: Client, shown: Display, scope: CancelScope) -> Sequence[CertificateSpec]:
        return client.unfinished(scope=scope)

    return _run(config, specs, lambda certificates: None, timeout=None, trace=trace, quiet=quiet, as_json=as_json)


def _run(
    config: Path,
    specs: Callable[[Client, Display, CancelScope], Sequence[CertificateSpec]],
    check: Callable[[tuple[CertificateSpec, ...]], None],
    *,
    timeout: float | None,
    trace: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    from acmez.acme.errors import Cancelled
    from acmez.config import from_config
    from acmez.plugins import PluginManager

    from .failing import EXPECTED, FAILED, TRY_LATER, interruptible
    from .progress import Observer, display
    from .tally import Tally

    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other")
    shown, tally = display(quiet=quiet, as_json=as_json), Tally()
    plugins = PluginManager()
    plugins.register(Observer(shown, tally), "command line")
    try:
        with _traced(trace, plugins), from_config(config, plugins=plugins) as client:
            check(client.certificates)
            with interruptible(shown.stopping) as scope, scope.child(timeout) as limited, shown:
                codes = _obtain_all(client, specs(client, shown, limited), shown, tally, limited)
                scope.check()
    except EXPECTED as exc:
        if isinstance(exc, Cancelled):
            _say_what_is_left(exc, tally, config)
        shown.finished(tally, exc)
        raise
    shown.finished(tally, None)
    return FAILED if set(codes) - {0, TRY_LATER} else max(codes, default=0)


@contextmanager
def _traced(file: Path | None, plugins: PluginManager) -> Iterator[None]:
    """Write the timeline of what happens within the `with` statement to *file*, however that ends."""
    if file is None:
        yield
        return
    from acmez.tracing import Trace

    trace = Trace()
    try:
        trace.write(file)  # while nothing has happened yet
    except OSError as exc:
        raise click.BadParameter(f"'{file}': {exc.strerror}", param_hint="--trace") from exc
    plugins.register(trace, "trace")
    with trace.writing(file):
        yield


def check_directories(certificates: tuple[CertificateSpec, ...]) -> None:
    """Raise `ConfigError` unless there is something to obtain and a place to write each certificate to."""
    from acmez.errors import ConfigError

    problems = [] if certificates else ["certificate: nothing to obtain (write a [[certificate]] table)"]
    for index, spec in enumerate(certificates):
        where = f"certificate[{index}].directory"
        if spec.directory is None:
            problems.append(f"{where}: required, to write the files to (a path)")
            continue
        try:
            spec.directory.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            problems.append(f"{where}: '{spec.directory}': {exc.strerror}")
        else:
            if not os.access(spec.directory, os.W_OK):
                problems.append(f"{where}: '{spec.directory}': cannot be written to")
            problems += [f"{where}: '{path}': cannot be read" for path in _unreadable(spec.directory)]
    if problems:
        raise ConfigError(problems)


def _unreadable(directory: Path) -> list[Path]:
    """Return files of a certificate that tell whose key is there, and are not for who runs this."""
    files = [directory / name for name in ("cert.pem", "fullchain.pem", "privkey.pem")]
    return [path for path in files if path.exists() and not os.access(path, os.R_OK)]


def _obtain_all(
    client: Client, specs: Sequence[CertificateSpec], shown: Display, tally: Tally, scope: CancelScope
) -> list[int]:
    """Obtain them side by side; one that fails does not keep the rest from being obtained."""
    from acmez.errors import ConfigError

    from .failing import EXPECTED, FAILED, exit_code

    codes: list[int] = []
    tally.unfinished += specs
    for spec in specs:
        shown.expect(spec)
        if spec.directory is None:
            told = "in the journal, but not in the configuration (write a [[certificate]] table with its directory)"
            tally.end(spec, obtained=False)
            shown.failed(spec, ConfigError([told]))
            codes.append(FAILED)
    for issued in client.obtain_many([spec for spec in specs if spec.directory is not None], scope=scope):
        if scope.cancelled and issued.certificate is None:
            continue
        try:
            certificate = issued.result()
            directory = certificate.write(issued.spec.directory or Path())
        except EXPECTED as exc:
            tally.end(issued.spec, obtained=False)
            shown.failed(issued.spec, exc)
            codes.append(exit_code(exc))
        else:
            tally.end(issued.spec, obtained=True)
            shown.wrote(issued.spec, certificate, directory)
            codes.append(0)
    return codes


def _say_what_is_left(error: Cancelled, tally: Tally, config: Path) -> None:
    """Note on *error* what is still there, what was not obtained, and how to go on."""
    from acmez.config import load_config

    from .progress import label

    journal = load_config(config).journal is not None
    for line in tally.of_answers():
        error.add_note(line)
    if tally.left and journal:
        error.add_note(f"clean up with: acmez sweep --config {config}")
    for spec in tally.unfinished[:_TOLD]:
        error.add_note(f"not obtained: {label(spec)}")
    if len(tally.unfinished) > _TOLD:
        error.add_note(f"not obtained: {len(tally.unfinished) - _TOLD} more certificates")
    if tally.unfinished:
        due = " --due" if click.get_current_context().params.get("due") else ""
        error.add_note(f"{'go on' if journal else 'start again'} with: acmez obtain --config {config}{due}")
