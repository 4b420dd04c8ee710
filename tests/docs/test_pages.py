"""Every piece of code in the documentation runs, or is taken by the program that it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import click
import pytest
from acmez_testkit.contracts import SolverContract

import acmez
from acmez.cli import main
from tests.docs import shell, static
from tests.docs.accounts import LEFT, prepare
from tests.docs.pages import CHECKOUT, DOCS, Block, blocks, commands
from tests.docs.place import Place
from tests.docs.player import check_foreign, player

PLAYED = sorted(path for folder in ("how-to", "explanation") for path in (DOCS / folder).glob("*.md"))
README = CHECKOUT / "README.md"
OURS = [*PLAYED, *sorted((DOCS / "tutorial").glob("*.md"))]
CODE = [*(CHECKOUT / "acmez").rglob("*.py"), *CHECKOUT.glob("plugins/acmez-*/acmez_*/**/*.py")]
#: Looked at block by block; other tests run what can be run of them.
LOOKED_AT = sorted(
    ({path for path in (*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md")) if not path.is_symlink()} - {*PLAYED})
    | {*CHECKOUT.glob("plugins/*/README.md"), *CHECKOUT.glob("examples/**/README.md")}
)
#: What has a file's name there is done by a `Reader` in another test.
FOLLOWED = {DOCS / "writing-plugins.md", *(DOCS / "tutorial").glob("*.md")}
#: Names that pages leave to their readers.
OF_READERS = {name: getattr(acmez, name) for name in acmez.__all__} | {"acmez": acmez, "Iterator": Iterator}
OF_READERS |= {"SolverContract": SolverContract, "serve_challenges_at": None}
OF_READERS |= dict.fromkeys(["ExampleSolver", "StandaloneSolver", "app", "application", "client"])


@cache
def messages() -> str:
    """Return every text in the code; "…" stands for what is put in."""
    return "\n".join(text for file in CODE for text in static.texts(file))


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("path", [*PLAYED, README], ids=name_of)
def test_what_a_page_tells_can_be_done(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with player(path.read_text(), tmp_path, monkeypatch) as reader:
        prepare(path, reader)
        reader.play()
    if path.name in LEFT:
        assert len(reader.ca.accounts) == 1, "the other client's account was not taken over"


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_commands_within_sentences_are_right(path: Path, capsys: pytest.CaptureFixture[str]):
    for line in re.findall(r"`(acmez [a-z][^`…]*)`", path.read_text()):
        with suppress(click.MissingParameter):  # which a sentence leaves to its reader
            shell.check(line)
        if line.startswith("acmez explain "):
            assert main(line.split()[1:]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_messages_are_those_of_the_code(path: Path):
    last = path.read_text().partition("\n## When it goes wrong\n")[2]
    cells = re.findall(r"^(?:\| (`[^|]*) \||- (`[^`]*`):)", last, re.MULTILINE)
    told = [text for cell in cells for text in re.findall(r"`(.*?)`", "".join(cell))]
    unknown = [text for text in told if not all(piece in messages() for piece in text.split("…"))]
    assert unknown == []
    assert last or path.name == "index.md"


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_links_lead_somewhere(path: Path):
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link, anchor in re.findall(r"\]\((?!https://)([^)#]*)(?:#([^)]*))?\)", text):
        target = path.parent / link
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-").replace("`", "") for title in titles]


@pytest.mark.parametrize("path", LOOKED_AT, ids=name_of)
def test_every_block_is_right(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = Place(tmp_path, monkeypatch)
    known: dict[str, object] = dict(OF_READERS)
    monkeypatch.chdir(tmp_path)
    if "dns-example" in path.read_text() or "dns_example" in path.read_text():
        main(["new-plugin", "dns-example"])
        monkeypatch.syspath_prepend(tmp_path / "acmez-dns-example")
    for block in blocks(path.read_text(), indented=True):
        if block.file and path in FOLLOWED:
            continue
        try:
            check(block, place, known)
        except Exception as exc:
            exc.add_note(f"{path}:{block.line}")
            raise


def check(block: Block, place: Place, known: dict[str, object]) -> None:
    match block.language:
        case "python":
            if not static.is_part_of_a_file(block.text, place.folder):
                static.check_python(block.text, known)
        case "toml":
            place.check(block.text)
        case "console":
            for command in commands(block.text):
                shell.check(command.line)
        case "":
            for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
                if line.startswith(("acmez ", "pip ", "python ", "make ")):
                    shell.check(line.partition("  #")[0])
        case "text" if block.text.startswith("error: "):
            parts = re.split(r"'[^']*'|[()]|^error: [\w.]+: |\w*Error$", block.text, flags=re.MULTILINE)
            assert [part for part in parts if part.strip() not in messages()] == []
        case _:
            check_foreign(block, place)
