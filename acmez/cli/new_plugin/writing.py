"""Writes a new plugin from its template."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from string import Template
from types import MappingProxyType

from acmez.acme.errors import InputError

from .naming import Names

_TEMPLATES = Path(__file__).parent / "templates"
_ENDING = ".tmpl"
_PACKAGE = "PACKAGE"  # stands for the package's name in paths

#: Template -> what the plugin does; how it is configured.
_ABOUT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "dns": (
            "Answer DNS challenges with TXT records at $title",
            '[solver.corp]\nuse = "$name"\noptions.api_token = { env = "API_TOKEN" }',
        ),
        "http": (
            "Answer http-01 with files that $title serves",
            '[solver.web]\nuse = "$name"\noptions.directory = "/srv/challenges"',
        ),
        "tls": (
            "Answer tls-alpn-01 with certificates that $title shows",
            '[solver.front]\nuse = "$name"\noptions.directory = "/srv/challenges"',
        ),
        "waiter": (
            "Wait until all name servers of $title have the record",
            '[solver.corp.wait]\nuse = "$name"\noptions.api_token = { env = "API_TOKEN" }',
        ),
        "key": (
            "Get private keys from $title",
            '[account_key]\nuse = "$name"\noptions.command = ["cat", "/run/secrets/{purpose}.pem"]',
        ),
        "retry": ("Repeat requests that failed, the $title way", '[retry]\nuse = "$name"\noptions.attempts = 10'),
    }
)


def write(names: Names, directory: Path) -> Path:
    """Write the distribution into a new directory in *directory*, and return that.

    Raises:
        InputError: there is something of that name; nothing was written.
        OSError: it cannot be written.
    """
    target = directory / names.distribution
    try:
        target.mkdir()
    except FileExistsError:
        raise InputError(f"{target}: is there already, and is not overwritten") from None
    try:
        for path, text in files(names).items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def files(names: Names) -> dict[str, str]:
    """Return the content of every file, by its path."""
    values = {
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "class_name": names.class_name,
        "title": names.title,
        "version": version("acmez"),
    }
    summary, toml = (Template(text).substitute(values) for text in _ABOUT[names.template])
    values |= {"summary": summary, "toml": toml}
    found: dict[str, str] = {}
    for template in ("every", names.template):
        root = _TEMPLATES / template
        for file in sorted(root.rglob(f"*{_ENDING}")):
            path = file.relative_to(root).as_posix().removesuffix(_ENDING).replace(_PACKAGE, names.package)
            found[path] = Template(file.read_text(encoding="utf-8")).substitute(values)
    return found
