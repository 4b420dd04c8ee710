"""The page about writing plugins is right: what it tells to do is done here, what it lists is all there is."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from acmez_testkit import EmbeddedCA, contracts, pytest_plugin
from acmez_testkit.contracts import key_provider, solver

from acmez import events, hookspecs, protocols
from acmez.inspection import HOOKS
from acmez.kinds import KINDS
from acmez.protocols import Listing, Versatile
from tests.docs.pages import DOCS, blocks
from tests.docs.pages import section as section_of
from tests.docs.reader import Reader
from tests.overlay import Overlay

PAGE = (DOCS / "writing-plugins.md").read_text()
CONTRACTS = [
    contracts.ComponentContract,
    contracts.SolverContract,
    contracts.WaiterContract,
    contracts.KeyProviderContract,
    contracts.RetryPolicyContract,
]


def section(title: str) -> str:
    """Return what stands below a heading of the second level."""
    return section_of(PAGE, title)


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
    further = [*solver.FURTHER, *key_provider.FURTHER]
    there = [each for each in vars(protocols).values() if getattr(each, "_is_runtime_protocol", False)]
    assert sorted(each.__name__ for each in further) == sorted(each.__name__ for each in there)
    for protocol in further:
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
