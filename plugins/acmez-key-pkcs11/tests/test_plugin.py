"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path

from acmez_key_pkcs11 import Pkcs11Key

from acmez import options
from acmez.kinds import KEY_PROVIDER
from acmez.plugins import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_its_name():
    assert PluginManager().find(KEY_PROVIDER, "key-pkcs11") is Pkcs11Key


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `?(.*?)`? \|", README, re.MULTILINE))
    defaults = {field.name: json.dumps(field.default) for field in dataclasses.fields(Pkcs11Key)}
    assert rows == {name: "none" if default == "null" else default for name, default in defaults.items()}


def test_the_readmes_toml_names_the_provider_and_its_options(monkeypatch):
    monkeypatch.setenv("ACME_PIN", "1234")
    by_options, by_uri = (tomllib.loads(text)["account_key"] for text in blocks("toml"))
    assert by_options["use"] == by_uri["use"] == Pkcs11Key.name
    assert options.build(Pkcs11Key, by_options["options"]).create
    assert options.build(Pkcs11Key, by_uri["options"]).pin is None


def test_the_readmes_python_runs():
    (python,) = blocks("python")
    names: dict[str, object] = {}
    exec(python, names)  # noqa: S102 - our own text
    assert isinstance(names["key"], Pkcs11Key)
