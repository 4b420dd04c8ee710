"""`acmez new-plugin` writes a distribution that works at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from acmez.acme.errors import InputError
from acmez.cli.new_plugin.naming import KINDS, names_for
from acmez.cli.new_plugin.writing import files
from tests.overlay import Overlay

from .conftest import Command

#: Name -> what `--kind` is given, and what is configured.
PLUGINS = {
    "dns-example": (None, "solver"),
    "http-example": (None, "solver"),
    "tls-example": (None, "solver"),
    "example-propagation": (None, "waiter"),
    "example-store": ("key", "key provider"),
    "patient": ("retry", "retry policy"),
}


@dataclass(frozen=True)
class Workshop:
    """Where plugins were written, and an environment in which they are installed.

    Attributes:
        projects: by the plugin's name.
    """

    overlay: Overlay
    projects: dict[str, Path]

    def run(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        return self.overlay.run(command, self.projects[name])


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    home = tmp_path_factory.mktemp("new-plugin")
    overlay = Overlay.create(home / "env")
    projects = {}
    for name, (kind, _) in PLUGINS.items():
        command = ["acmez", "new-plugin", name, "--directory", str(home), *(("--kind", kind) if kind else ())]
        done = overlay.run(command, home)
        assert done.returncode == 0, done.stderr
        projects[name] = home / f"acmez-{name}"
        assert done.stdout.startswith(f"{projects[name]}: written")
    editable = [argument for project in projects.values() for argument in ("--editable", f"{project}[test]")]
    done = overlay.run(["pip", "install", *editable], home)
    assert done.returncode == 0, done.stderr
    return Workshop(overlay, projects)


@pytest.mark.parametrize("name", PLUGINS)
class TestEachKind:
    def test_its_own_tests_pass_and_none_is_skipped(self, workshop: Workshop, name: str):
        done = workshop.run(name, "pytest", "-p", "no:cacheprovider")
        assert done.returncode == 0, done.stdout
        assert " passed in " in done.stdout
        assert "skipped" not in done.stdout

    def test_it_is_well_formed(self, workshop: Workshop, name: str):
        for command in (("ruff", "check", "--no-cache", "."), ("ruff", "format", "--no-cache", "--diff", ".")):
            done = workshop.run(name, *command)
            assert done.returncode == 0, done.stdout

    def test_it_is_a_whole_distribution(self, workshop: Workshop, name: str):
        project, package = workshop.projects[name], f"acmez_{name.replace('-', '_')}"
        written = {file.relative_to(project).as_posix() for file in project.rglob("*") if file.is_file()}
        expected = {"pyproject.toml", "README.md", "CHANGELOG.md", ".gitignore", ".github/workflows/test.yml"}
        assert {*expected, f"{package}/__init__.py", f"{package}/py.typed"} <= written
        assert any(path.startswith("tests/test_") for path in written)
        assert "${{ matrix.python }}" in (project / ".github" / "workflows" / "test.yml").read_text()

    def test_it_is_installed_and_has_documented_options(self, workshop: Workshop, name: str):
        kind = PLUGINS[name][1]
        listed = json.loads(workshop.run(name, "acmez", "plugins", "--json").stdout)
        (own,) = [info for info in listed if info["name"] == name]
        assert own["distribution"] == f"acmez-{name} 0.1.0"
        assert own["components"] == [{"kind": kind, "name": name}]
        options = json.loads(workshop.run(name, "acmez", "options", name, "--json").stdout)[kind]
        assert options
        assert all(option["doc"] for option in options if "." not in option["name"])

    def test_the_readmes_configuration_is_right(self, workshop: Workshop, name: str, tmp_path: Path):
        toml = (workshop.projects[name] / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
        if "wait]" in toml:
            toml = f'[solver.corp]\nuse = "dns-example"\noptions.api_token = "x"\n{toml}'
        file = tmp_path / "acmez.toml"
        file.write_text(f'directory = "letsencrypt-staging"\n{toml}')
        done = workshop.overlay.run(["acmez", "check", str(file)], tmp_path, environment={"API_TOKEN": "x"})
        assert done.returncode == 0, done.stderr


def test_what_is_written_has_types(workshop: Workshop, tmp_path: Path):
    packages = [str(project / f"acmez_{name.replace('-', '_')}") for name, project in workshop.projects.items()]
    tests = str(workshop.projects["dns-example"] / "tests")
    configuration = str(workshop.projects["dns-example"] / "pyproject.toml")
    command = ["mypy", "--config-file", configuration, "--cache-dir", str(tmp_path), *packages, tests]
    done = workshop.overlay.run(command, workshop.projects["dns-example"])
    assert done.returncode == 0, done.stdout


def test_what_is_there_is_not_overwritten(acmez: Command, tmp_path: Path):
    (tmp_path / "acmez-dns-mine").mkdir()
    (tmp_path / "acmez-dns-mine" / "notes").write_text("mine")
    done = acmez("new-plugin", "dns-mine", "--directory", str(tmp_path))
    assert done.code == 2
    assert f"{tmp_path / 'acmez-dns-mine'}: is there already, and is not overwritten" in done.err
    assert [file.name for file in (tmp_path / "acmez-dns-mine").iterdir()] == ["notes"]


def test_it_goes_into_the_working_directory(acmez: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert acmez("new-plugin", "dns-mine").code == 0
    assert (tmp_path / "acmez-dns-mine" / "acmez_dns_mine" / "solver.py").is_file()


def test_a_directory_that_is_not_there(acmez: Command, tmp_path: Path):
    assert acmez("new-plugin", "dns-mine", "--directory", str(tmp_path / "missing")).code == 2
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_nothing_behind(acmez: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = Path.write_text

    def write_text(path: Path, text: str, **options: str) -> int:
        if path.name == "solver.py":
            raise OSError(28, "No space left on device")
        return real(path, text, **options)

    monkeypatch.setattr(Path, "write_text", write_text)
    done = acmez("new-plugin", "dns-mine", "--directory", str(tmp_path))
    assert done.code == 1
    assert "No space left" in done.err
    assert list(tmp_path.iterdir()) == []


class TestNames:
    @pytest.mark.parametrize(
        ("name", "kind", "template", "class_name"),
        [
            ("dns-example", None, "dns", "ExampleSolver"),
            ("dns-big-corp2", "solver", "dns", "BigCorp2Solver"),
            ("http-edge", None, "http", "EdgeSolver"),
            ("tls-front", None, "tls", "FrontSolver"),
            ("corp-propagation", None, "waiter", "CorpPropagation"),
            ("dns-corp-propagation", None, "waiter", "DnsCorpPropagation"),
            ("aws-kms", "key", "key", "AwsKmsKey"),
            ("patient", "retry", "retry", "PatientRetry"),
        ],
    )
    def test_one_word_names_it_all(self, name: str, kind: str | None, template: str, class_name: str):
        names = names_for(name, kind)
        assert (names.template, names.class_name) == (template, class_name)
        assert (names.distribution, names.package) == (f"acmez-{name}", f"acmez_{name.replace('-', '_')}")

    @pytest.mark.parametrize(
        ("name", "kind", "message"),
        [
            ("dns_example", None, "(did you mean 'dns-example'?)"),
            ("DnsExample", None, "(did you mean 'dns-example'?)"),
            ("dns-example-", None, "(did you mean 'dns-example'?)"),
            ("dns--example", None, "(did you mean 'dns-example'?)"),
            ("acmez-dns-example", None, "(did you mean 'dns-example'?)"),
            ("../etc", None, "(did you mean 'etc'?)"),
            ("dns-" + "x" * 50, None, "'dns-xxx"),
            ("", None, "'': a name is of lower-case words with dashes"),
            ("2fast", None, "'2fast': a name is of lower-case words with dashes"),
            ("example", None, "example: say what it is with --kind"),
            ("example", "solver", "begins with dns-, http- or tls- (did you mean 'dns-example'?)"),
            ("corp-propagation", "solver", "begins with dns-, http- or tls- (did you mean 'dns-corp'?)"),
            ("dns", None, "begins with dns-, http- or tls- (did you mean 'dns-example'?)"),
            ("example", "waiter", "ends in -propagation (did you mean 'example-propagation'?)"),
            ("dns-example", "waiter", "ends in -propagation (did you mean 'dns-example-propagation'?)"),
            ("dns-example", "key", "that is the name of a solver, not of a key provider"),
            ("example-propagation", "retry", "that is the name of a waiter, not of a retry policy"),
            ("http-webroot", None, "http-webroot: is taken (acmez-http-webroot)"),
            ("file", "key", "file: is taken (it comes with acmez)"),
        ],
    )
    def test_other_names_are_refused_with_a_hint(self, name: str, kind: str | None, message: str):
        with pytest.raises(InputError) as caught:
            names_for(name, kind)
        assert message in str(caught.value)

    def test_the_command_says_so(self, acmez: Command, tmp_path: Path):
        done = acmez("new-plugin", "dns_example", "--directory", str(tmp_path))
        assert done.code == 2
        assert "error: 'dns_example': a name is of lower-case words" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_every_kind_has_a_template(self):
        for kind in KINDS:
            name = {"solver": "dns-x", "waiter": "x-propagation"}.get(kind, "x")
            assert any(path.startswith("tests/") for path in files(names_for(name, kind)))


def test_the_templates_are_in_the_wheel(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=root, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("acmez-*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "--list", str(wheel)], capture_output=True, text=True, check=True
    ).stdout
    templates = root / "acmez" / "cli" / "new_plugin" / "templates"
    for file in templates.rglob("*.tmpl"):
        assert file.relative_to(root).as_posix() in listed
