"""The man page, made from the commands' own definitions: `python -m acmez.cli.manual > man/acmez.1`."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import fields
from importlib.metadata import version

import click

from acmez import events

from .app import EXIT_CODES, SECTIONS, cli
from .json_lines import RESULTS

_FILES = (
    (
        "acmez.toml",
        "The configuration, by custom; it is always named with --config. acmez schema prints what it can say.",
    ),
    ("account.pem", "The account key, where the configuration says so; made, mode 0600, if it is not there."),
    ("DIRECTORY/{cert,chain,fullchain,privkey}.pem", "What acmez obtain writes for each [[certificate]]."),
    ("acmez.journal", "Every step, if the configuration names a journal: acmez resume and acmez sweep go on from it."),
)
_ENVIRONMENT = (
    ("ACMEZ_BLOCK_PLUGINS", "Names of plugins that are never used, separated by commas."),
    ("HTTPS_PROXY, NO_PROXY", "The proxy to the CA, unless the configuration sets one."),
    ("NO_COLOR", "If it is set, nothing is coloured."),
)
_EXAMPLES = (
    ("Find everything that is wrong in a configuration:", "acmez check acmez.toml --online"),
    ("Obtain what is missing or due, from cron:", "acmez obtain --config acmez.toml --due --quiet"),
    ("Watch from a program:", "acmez obtain --config acmez.toml --json | jq -c 'select(.event == \"finished\")'"),
    ("Give the account a new key:", "acmez account --config acmez.toml --change-key"),
)


def manual() -> str:
    """Return the page in the language of man(7)."""
    context = click.Context(cli, info_name="acmez", help_option_names=["-h", "--help"])
    lines = [
        f'.TH ACMEZ 1 "" "acmez {version("acmez")}" "User Commands"',
        ".SH NAME",
        "acmez \\- " + _text(_lower(cli.help or "").rstrip(".")),
        ".SH SYNOPSIS",
        ".B acmez",
        "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]",
        ".SH OPTIONS",
        *_options(context, cli),
        ".SH COMMANDS",
        *_commands(context),
        ".SH EXIT STATUS",
        *_items((str(code), meaning + ".") for code, meaning in EXIT_CODES.items()),
        ".SH FILES",
        *_items(_FILES),
        ".SH ENVIRONMENT",
        *_items(_ENVIRONMENT),
        ".SH LINES OF JSON",
        "Given \\fB\\-\\-json\\fR, acmez obtain and acmez resume print an object a line.",
        "Each has \\fIevent\\fR, its name, \\fItime\\fR, in UTC,",
        "and the members that are listed here.",
        *_items(_json_lines()),
        ".SH EXAMPLES",
        *_examples(),
    ]
    return "\n".join(lines) + "\n"


def _commands(parent: click.Context) -> Iterator[str]:
    for title, names in SECTIONS.items():
        yield f".SS {_text(title)}"
        for name in names:
            command = cli.get_command(parent, name)
            if command is None:  # pragma: no cover
                continue
            context = click.Context(command, info_name=name, parent=parent)
            yield ".TP"
            yield f"\\fBacmez {_text(name)}\\fR {_text(' '.join(command.collect_usage_pieces(context)))}"
            yield from _paragraphs(command.help or "")
            yield ".RS"
            yield from _options(context, command)
            yield ".RE"


def _options(context: click.Context, command: click.Command) -> Iterator[str]:
    records = [each.get_help_record(context) for each in command.get_params(context) if isinstance(each, click.Option)]
    yield from _items(record for record in records if record is not None)


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ".IP"
        literal = paragraph.startswith("\b\n")
        lines = paragraph.removeprefix("\b\n").splitlines()
        if literal:
            yield from (".nf", *map(_text, lines), ".fi")
        else:
            yield from _filled(" ".join(lines))


def _items(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, meaning in items:
        yield from (".TP", f"\\fB{_text(name)}\\fR", *_filled(meaning))


def _json_lines() -> Iterator[tuple[str, str]]:
    classes = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, events.Event)]
    kinds = {kind.name: kind for kind in classes if hasattr(kind, "name")}
    for name, kind in kinds.items():
        members = ", ".join(field.name for field in fields(kind) if field.name != "at")
        yield name, f"{_first_line(kind)} Members: {members}."
    for name, described in RESULTS.items():
        yield name, "; ".join(f"{member}: {meaning}" for member, meaning in described.items()) + "."


def _first_line(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ").replace("`", "")


def _examples() -> Iterator[str]:
    for number, (purpose, command) in enumerate(_EXAMPLES):
        yield from ([".PP"] if number else [])
        yield from (_text(purpose), ".PP", ".RS 4", ".nf", _text(command), ".fi", ".RE")


def _filled(text: str) -> list[str]:
    lines = textwrap.wrap(_text(text), 78, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line.startswith(".") else line for line in lines]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _text(text: str) -> str:
    r"""Return text as roff takes it: no escapes, no requests, and "-" as it is typed."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "")
    return f"\\&{safe}" if safe.startswith(".") else safe


if __name__ == "__main__":
    sys.stdout.write(manual())
