"""Plays a page: writes its files, runs its code and its commands of acmez, against an embedded CA.

What a page says of a CA, a DNS server or an HSM is true of the embedded CA here: its address is put in place of the
page's, and what answers challenges does it for that CA.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json
import logging
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml  # type: ignore[import-untyped]
from acmez_testkit import Behaviour, EmbeddedCA

import acmez
from acmez import CancelScope, Challenge, GeneratedKey, Handle, Route, Solver
from acmez.acme.challenges import dns_01
from acmez.cli import main
from tests.docs import servers, shell, static
from tests.docs.pages import Block, Command, blocks, commands, shows
from tests.docs.place import SECRET, Place
from tests.overlay import variables
from tests.solvers import Records, Web

PROFILES = dict.fromkeys(("classic", "tlsserver", "shortlived"), "")
#: What asks servers that are not here, needs a terminal, or a shell.
_NOT_HERE = {"--online", "demo", "|", "&&", ">", ";"}
#: What really changes files of the place.
_FILES = {"chmod", "cp", "ls", "mkdir", "mv", "openssl", "rm"}
#: The configuration of pages that are about something else.
_CONFIGURATION = """
directory = "letsencrypt-staging"
journal = "acmez.journal"
account.terms_of_service_agreed = true
account_key = { use = "file", options.path = "account.pem" }
solver.web = { use = "http-webroot", options.path = "." }
certificate = [{ names = ["example.com", "www.example.com"], directory = "certs/example.com" }]
"""


@dataclass(frozen=True)
class StandIn:
    """Answers where the embedded CA looks, under another solver's name."""

    name: ClassVar[str] = "stand-in"
    challenge_type: ClassVar[str] = "http-01"

    web: Web
    records: Records

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        if challenge.type == "http-01":
            self.web.answers[challenge.token or ""] = challenge.key_authorization
        else:
            record = dns_01.record(challenge)
            self.records.add(record.name, record.value)

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        if challenge.type == "http-01":
            self.web.answers.pop(challenge.token or "", None)
        else:
            record = dns_01.record(challenge)
            self.records.remove(record.name, record.value)


@dataclass
class Player:
    """Somebody who reads a page with an embedded CA at hand.

    Attributes:
        page: the text.
        ca: the CA.
        names: what the code of the page defined so far.
        code: what the last command returned.
    """

    page: str
    place: Place
    ca: EmbeddedCA
    web: Web
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    code: int = 0

    def play(self) -> None:
        """Do everything that the page tells to do, in its order."""
        self.place.write("acmez.toml", _CONFIGURATION)
        for block in blocks(self.page):
            try:
                self._play(block)
            except Exception as exc:
                exc.add_note(f"line {block.line}")
                raise

    def _play(self, block: Block) -> None:
        text = self.place.here(block.text)
        if block.whole:
            self.place.write(block.file, block.text)
        match block.language:
            case "python":
                self._python(block, text)
            case "toml":
                self.place.check(block.text)
            case "console":
                for command in commands(block.text):
                    self._run(command)
            case _:
                check_foreign(block, self.place)

    def _python(self, block: Block, text: str) -> None:
        if not block.whole and static.is_part_of_a_file(block.text, self.place.folder):
            return
        name = re.escape(block.file)
        if block.whole and re.search(rf"(?:python|pytest) (?:\S+/)?{name}|/{name}", self.page):
            return  # a command or a configuration of the page runs it
        exec(compile(text, block.file or f"line {block.line}", "exec"), self.names)  # noqa: S102

    def _run(self, command: Command) -> None:
        line = self.place.here(command.line)
        shell.check(line)
        self.code = 0
        output = self._output(shlex.split(line))
        failed = any(each.startswith(("error:", "Error:")) for each in command.shown)
        assert failed == (self.code not in {0, 75}), output
        for each in command.shown:
            assert shows(output, self.place.here(each)), output

    def _output(self, words: list[str]) -> str:
        """Run a command, and return what it prints; "" of those that are not for here."""
        match words:
            case ["acmez", *arguments] if not _NOT_HERE & set(arguments):
                return self._captured(lambda: main(arguments))
            case ["python", script, *_] if Path(script).exists():
                return self._captured(lambda: self._script(words[1:]))
            case ["pytest", *_]:
                tests = [sys.executable, "-m", *words, "-p", "no:cacheprovider"]
                return subprocess.run(tests, env=variables({}), capture_output=True, text=True, check=True).stdout
            case ["cd", directory]:
                Path(directory).mkdir(parents=True, exist_ok=True)
            case [program, first, *_] if program in _FILES and first != "s_client":
                servers.run(*words)
        return ""

    def _captured(self, call: Callable[[], int]) -> str:
        with io.StringIO() as output:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                self.code = call()
            return output.getvalue()

    def _script(self, words: list[str]) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", words)
            try:
                runpy.run_path(words[0], run_name="__main__")
            except SystemExit as exc:
                return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        return 0


def check_foreign(block: Block, place: Place) -> None:
    """Fail unless a block in another language is right; one in a language that nobody knows is not."""
    name = block.file.rpartition("/")[2]
    match block.language, name:
        case "nginx", _:
            servers.check_nginx(block.text, place)
        case "json", _:
            json.loads(block.text)
        case "yaml", _:
            assert yaml.safe_load(block.text)
        case "apache", _:
            servers.check_apache(block.text)
        case ("haproxy", _) | (_, "haproxy.cfg"):
            servers.check_haproxy(block.text, place)
        case "ini", _:
            servers.check_systemd(name or "acmez.service", block.text, place)
        case (("sh" | "bash"), _):
            servers.check_sh(block.text)
        case "text", ("crontab" | "acmez"):
            servers.check_cron(block.text, with_user=name == "acmez")
        case _ if re.fullmatch(
            r"\{(?!code|sourcecode)[\w:-]+\}.*", block.language
        ):  # of Sphinx, which takes it or fails
            pass
        case _:
            raise AssertionError(f"nothing checks a block of {block.language!r} in {block.file!r}")


@contextlib.contextmanager
def player(page: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Player]:
    """Open a place, a CA and a web server for the reader of a page."""
    place = Place(folder, patch)
    patch.chdir(folder)
    with Web() as web, EmbeddedCA(_behaviour(page, web.port)) as ca, contextlib.ExitStack() as stack:
        _redirect(patch, ca, web, Records(ca.txt_records), stack)
        stack.enter_context(_logging_as_it_was())
        yield Player(page, place, ca, web)
    assert not ca.internal_errors


def _behaviour(page: str, http_port: int) -> Behaviour:
    hosts = {}
    for text in re.findall(r'"([\d.]+|[\da-f:]+)"', page):
        with contextlib.suppress(ValueError):
            hosts[str(ip_address(text))] = "127.0.0.1"
    accounts = dict.fromkeys(re.findall(r'(?:\bkid = |ExternalAccount\()"([^"]+)"', page), SECRET)
    return Behaviour(http_port=http_port, hosts=hosts, profiles=PROFILES, external_accounts=accounts)


@contextlib.contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """Undo in the end what a page does to the root logger and to that of acmez."""
    loggers = logging.getLogger(), logging.getLogger("acmez")
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    try:
        yield
    finally:
        for logger, (level, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers[:] = handlers


def _redirect(
    patch: pytest.MonkeyPatch, ca: EmbeddedCA, web: Web, records: Records, stack: contextlib.ExitStack
) -> None:
    """Make every client one of the embedded CA, and close it in the end."""
    original = acmez.Client.__init__

    def make(self: acmez.Client, directory: str, **settings: Any) -> None:
        settings["solvers"] = [_stand_in(each, web, records) for each in settings.get("solvers", ())]
        settings["trust"] = ca.trust_pem
        if _is_remote(settings.get("account_key")):
            settings["account_key"] = GeneratedKey()
        settings["certificates"] = [
            replace(spec, key=None) if _is_remote(spec.key) else spec for spec in settings.get("certificates", ())
        ]
        original(self, ca.directory_url, **settings)
        stack.callback(self.close)

    patch.setattr(acmez.Client, "__init__", make)
    patch.setattr(concurrent.futures, "ProcessPoolExecutor", ThreadPoolExecutor)  # which see the stand-ins


def _is_remote(key: object) -> bool:
    return type(key).__module__.startswith("acmez_key_")


def _stand_in(given: Solver | Route, web: Web, records: Records) -> Route:
    route = given if isinstance(given, Route) else Route(given)
    kind = "dns-01" if "dns-01" in route.challenge_types else "http-01"
    shape = type("StandIn", (StandIn,), {"name": route.solver.name, "challenge_type": kind})
    return Route(shape(web, records), route.name, route.domains)
