"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from acmez_key_aws_kms import AwsKmsKey

from acmez import options
from acmez.kinds import KEY_PROVIDER
from acmez.plugins import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_its_name():
    assert PluginManager().find(KEY_PROVIDER, "key-aws-kms") is AwsKmsKey


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `?(.*?)`? \|", README, re.MULTILINE))
    missing = dataclasses.MISSING
    assert rows == {
        field.name: "required" if field.default is missing else f'"{field.default}"'
        for field in dataclasses.fields(AwsKmsKey)
    }


def test_the_readmes_toml_names_the_provider_and_its_options():
    (given,) = (tomllib.loads(text)["account_key"] for text in blocks("toml"))
    assert given["use"] == AwsKmsKey.name
    assert options.build(AwsKmsKey, given["options"]) == AwsKmsKey("alias/acme-account", region="eu-central-1")


def test_the_readmes_python_runs():
    (python,) = blocks("python")
    names: dict[str, object] = {}
    exec(python, names)  # noqa: S102 - our own text
    assert names["key"] == AwsKmsKey("alias/acme-account")


def test_boto3_is_imported_when_it_is_needed():
    program = "import sys, acmez_key_aws_kms; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
