"""Commands on pages: those of acmez are taken by the real command line, the others are known by name."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator

import click

from acmez.cli.app import cli
from tests.docs.pages import CHECKOUT

#: What pages may run besides acmez; none of it is run here, but by those who read the page.
PROGRAMS = {
    *("apt-get", "cat", "cd", "chmod", "chown", "cp", "crontab", "curl", "echo", "export", "git", "grep", "id", "jq"),
    *("install", "kill", "ls", "mkdir", "mv", "rm", "sed", "sh", "source", "ss", "sudo", "tail", "test", "touch", "."),
    *("aws", "certbot", "dig", "gcloud", "haproxy", "iptables", "journalctl", "kdig", "keymgr", "nginx", "openssl"),
    *("pdnsutil", "pkcs11-tool", "redis-cli", "setcap", "softhsm2-util", "step", "systemctl", "systemd-analyze"),
    *("set", "umask", "tsig-keygen", "gunicorn", "uvicorn", "pytest", "mypy", "useradd"),
}
#: What pip is told to install that is not of this checkout.
FOREIGN = {
    *("aiohttp", "distributed", "django", "dns-lexicon", "fastapi", "flask", "gunicorn", "hypercorn", "uvicorn"),
    *("opentelemetry-distro", "opentelemetry-exporter-otlp"),
}
_SEPARATORS = {"&&", "||", "|", ";", "&", "(", ")", "{", "}", "!"}
_REDIRECTIONS = {">", ">>", "<", "2>", ">&", "&>", "<<<"}


def check(line: str) -> None:
    """Fail unless every program of a command line is known, and takes what it is given."""
    for words in split(line):
        check_words(words)


def split(line: str) -> Iterator[list[str]]:
    """Yield the simple commands of a line, without variables set before them and without redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.wordchars += "*?$%@:,+=[]"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _SEPARATORS:
            words.append(word)
            continue
        yield from filter(None, [_bare(words)])
        words = []


def _bare(words: list[str]) -> list[str]:
    while words and (re.match(r"[A-Za-z_]+=", words[0]) or words[0] in {"if", "then", "else", "fi", "do", "done"}):
        words = words[1:]
    for index, word in enumerate(words):
        if word in _REDIRECTIONS:
            return words[:index]
    return words


def check_words(words: list[str]) -> None:
    """Fail unless a simple command is one that a reader can run."""
    program, arguments = words[0].rpartition("/")[2], words[1:]
    match program:
        case "acmez" if arguments == ["--version"]:
            pass
        case "acmez":
            parse(arguments)
        case "pip":
            _check_pip(arguments)
        case "python" | "python3":
            _check_python(arguments)
        case "make":
            _check_make(arguments)
        case "sudo" | "exec" | "opentelemetry-instrument":
            check_words(arguments[2:] if arguments[0] == "-u" else arguments)
        case _:
            # A path is a program that the page has told of.
            assert program in PROGRAMS or "/" in words[0], f"{program!r} is no program that pages may run"


def parse(arguments: list[str]) -> click.Context:
    """Return what a command of acmez makes of its arguments; fail if it would refuse them."""
    with cli.make_context("acmez", list(arguments), resilient_parsing=True) as context:
        words = [word for word in arguments if word not in {"-v", "--verbose"}]
        name, command, rest = cli.resolve_command(context, words)
        assert command is not None
        return command.make_context(name, rest, parent=context)


def _check_pip(arguments: list[str]) -> None:
    assert arguments[0] in {"install", "uninstall", "download"}
    for word in arguments[1:]:
        if not word.startswith(("-", ".")):
            name, _, extras = word.partition("[")
            assert name in FOREIGN or distribution_exists(name), f"pip cannot find {name!r}"
            if extras and name not in FOREIGN:
                project = CHECKOUT / ("pyproject.toml" if name == "acmez" else f"plugins/{name}/pyproject.toml")
                for extra in extras.rstrip("]").split(","):
                    assert re.search(rf"^{extra} = \[", project.read_text(), re.MULTILINE), f"{name} has no {extra!r}"


def distribution_exists(name: str) -> bool:
    """Whether this checkout has a distribution."""
    return name == "acmez" or (CHECKOUT / "plugins" / name / "pyproject.toml").exists()


def _check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m" and arguments[1] not in {"venv", "build", "pip"}:
        assert importlib.util.find_spec(arguments[1]) is not None, f"there is no module {arguments[1]!r}"


def _check_make(arguments: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    assert {word for word in arguments if "=" not in word} <= targets
