"""The page about writing plugins is right: what it tells to do is done here, what it lists is all there is."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from acmez_testkit import EmbeddedCA, contracts, pytest_plugin

from acmez import events, hookspecs
from acmez.inspection import HOOKS
from acmez.kinds import KINDS
from acmez.protocols import Batching, Listing, Locking, SelfWaiting, Signalling, Versatile, WithPayload
from tests.overlay import Overlay

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "writing-plugins.md").read_text()
CONTRACTS = [
    contracts.ComponentContract,
    contracts.SolverContract,
    contracts.WaiterContract,
    contracts.KeyProviderContract,
    contracts.RetryPolicyContract,
]


def section(title: str) -> str:
    """Return what stands below a heading of the second level."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@dataclass(frozen=True)
class Block:
    """A piece of code on the page.

    Attributes:
        language: what stands behind the three ticks.
        text: the code.
        file: named in the sentence before, "" if none is.
        whole: whether it is to be written there; otherwise it is in the file already.
    """

    language: str
    text: str
    file: str
    whole: bool


def blocks(text: str) -> Iterator[Block]:
    before = ""
    for piece in re.split(r"^(```\w+\n.*?^```\n)", text, flags=re.DOTALL | re.MULTILINE):
        if not piece.startswith("```"):
            before = piece
            continue
        first, _, rest = piece.partition("\n")
        paragraph = before.strip().rpartition("\n\n")[2]
        named = re.findall(r"`([\w./]+\.(?:py|toml))`", paragraph) if paragraph.endswith(":") else []
        whole = re.search(r"[Ii]n `[\w./]+`:$", paragraph) is not None
        yield Block(first.removeprefix("```"), rest.removesuffix("```\n"), named[-1] if named else "", whole)
        before = ""


@dataclass
class Reader:
    """Somebody who does what the page says.

    Attributes:
        place: where they are.
        ran: the commands so far.
    """

    overlay: Overlay
    place: Path
    ran: list[str] = field(default_factory=list)

    def follow(self, text: str) -> None:
        for block in blocks(text):
            if block.language == "console":
                self._run_all(block.text)
            elif block.language == "diff":
                self._change(self.place / block.file, block.text)
            elif block.whole:
                (self.place / block.file).write_text(block.text)
            else:
                assert block.text in (self.place / block.file).read_text()

    def _run_all(self, text: str) -> None:
        for line, *shown in (part.splitlines() for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]):
            output, code = self._run(line)
            expected_failure = any(each.startswith("FAILED") for each in shown)
            assert (code != 0) == expected_failure, output
            said = " ".join(output.split())
            for each in shown:
                assert " ".join(each.split()) in said, output

    def _run(self, line: str) -> tuple[str, int]:
        self.ran.append(line)
        words = shlex.split(line)
        environment = {}
        while re.match(r"[A-Z_]+=", words[0]):
            name, _, environment[name] = words.pop(0).partition("=")
        if words[0] == "cd":
            self.place /= words[1]
            return "", 0
        if words[0] == "pytest":
            words += ["-p", "no:cacheprovider"]
        done = self.overlay.run(words, self.place, environment=environment)
        return done.stdout + done.stderr, done.returncode

    @staticmethod
    def _change(file: Path, diff: str) -> None:
        lines = diff.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        content = file.read_text()
        assert content.count(before) == 1
        file.write_text(content.replace(before, after))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    place = tmp_path / "home"
    place.mkdir()
    return Reader(Overlay.create(tmp_path / "env"), place)


def test_a_solver_in_15_minutes(reader: Reader):
    reader.follow(section("A solver in 15 minutes"))
    assert reader.ran == [
        "acmez new-plugin dns-example",
        "cd acmez-dns-example",
        "pip install --editable '.[test]'",
        "pytest",
        "pytest",
        "pytest",
        "acmez options dns-example",
        "EXAMPLE_TOKEN=not-a-real-token acmez check acmez.toml",
    ]


def test_the_number_of_rules_is_right():
    rules = {name for name in dir(contracts.SolverContract) if name.startswith("test_")}
    assert f": {len(rules)} rules," in section("A solver in 15 minutes")


def test_an_in_house_hook_in_5_minutes(reader: Reader):
    reader.follow(section("An in-house hook in 5 minutes"))
    assert len(reader.ran) == 3


def test_that_hook_is_told_of_a_real_certificate(reader: Reader, acme_ca: EmbeddedCA):
    hooks = next(block for block in blocks(section("An in-house hook in 5 minutes")) if block.file == "acme_hooks.py")
    (reader.place / "acme_hooks.py").write_text(hooks.text)
    acme_ca.write_trust(reader.place / "trust.pem")
    (reader.place / "acmez.toml").write_text(
        f"""
        directory = "{acme_ca.directory_url}"
        trust = "trust.pem"
        plugins = ["./acme_hooks.py"]
        account.terms_of_service_agreed = true
        account_key = {{ use = "file", options.path = "account.pem" }}
        [solver.web]
        use = "http-standalone"
        options = {{ host = "127.0.0.1", port = {acme_ca.behaviour.http_port} }}
        [[certificate]]
        names = ["hooks.example.com"]
        directory = "certs"
        """
    )
    done = reader.overlay.run(["acmez", "obtain", "--config", "acmez.toml", "--quiet"], reader.place)
    assert done.returncode == 0, done.stderr
    assert "issued: hooks.example.com" in done.stdout.splitlines()


def test_every_configuration_on_the_page_is_toml():
    texts = [block.text for block in blocks(PAGE) if block.language == "toml"]
    assert len(texts) == 2
    assert all("certificate" in tomllib.loads(text) for text in texts)


def test_every_hook_is_documented_as_it_is():
    expected = []
    for name in HOOKS:
        signature = inspect.signature(getattr(hookspecs, name))
        parameters = ", ".join(f"{each.name}: {each.annotation}" for each in signature.parameters.values())
        expected.append(f"{name}({parameters}) -> {signature.return_annotation}")
    assert re.findall(r"^### `(.*)`$", section("Hooks"), re.MULTILINE) == expected


def test_every_event_is_documented_as_it_is():
    common = {each.name for each in dataclasses.fields(events.Event)}
    expected = []
    for event in vars(events).values():
        if isinstance(event, type) and issubclass(event, events.Event) and "name" in vars(event):
            fields = [f"`{each.name}`" for each in dataclasses.fields(event) if each.name not in common]
            when = (event.__doc__ or "").splitlines()[0]
            expected.append([f"`{event.name}`", f"`{event.__name__}`", ", ".join(fields), when])
    rows = re.findall(r"^\| (`.*) \|$", section("Events"), re.MULTILINE)
    assert [[cell.strip() for cell in re.split(r"\|", row)] for row in rows] == expected
    assert all(f"`{name}`" in section("Events") for name in common)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_every_rule_is_documented(contract: type):
    title = "Of all components" if contract is contracts.ComponentContract else f"`{contract.__name__}`"
    part = section("Contracts").partition(f"### {title}\n")[2].partition("\n### ")[0]
    rules = [name.removeprefix("test_").replace("_", " ") for name in vars(contract) if name.startswith("test_")]
    assert re.findall(r"^- (.*)$", part, re.MULTILINE) == rules
    hooks = re.findall(r"^\| `(\w+)", part, re.MULTILINE)
    assert all(hasattr(contract, name) for name in hooks)


def test_every_kind_and_every_further_method_is_documented():
    text = section("Components")
    for kind in KINDS:
        assert f"| {kind.label} | `{kind.hook}` |" in text
    for protocol in (SelfWaiting, WithPayload, Batching, Locking, Signalling):
        for name, method in vars(protocol).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                parameters = ", ".join(list(inspect.signature(method).parameters)[1:])
                assert f"`{name}({parameters})`" in text
    assert all(f"`{name}`" in text for name in inspect.get_annotations(Versatile))
    assert inspect.signature(Listing.providers).parameters == {}
    assert "| `providers()` | a class method: " in text


def test_every_fixture_is_documented():
    documented = re.findall(r"^\| `(\w+)` \|", section("Fixtures"), re.MULTILINE)
    there = [name for name, value in vars(pytest_plugin).items() if type(value).__name__ == "FixtureFunctionDefinition"]
    assert documented == there
