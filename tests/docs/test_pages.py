"""Every piece of code in the documentation runs, or is taken by the program that it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from acmez_testkit.contracts import SolverContract

import acmez
from acmez.cli import main
from tests.docs import shell, static
from tests.docs.pages import CHECKOUT, DOCS, Block, blocks, commands
from tests.docs.place import Place
from tests.docs.player import check_foreign, player

PLAYED = sorted(path for folder in ("how-to", "explanation") for path in (DOCS / folder).glob("*.md"))
#: Looked at block by block; other tests run what can be run of them.
LOOKED_AT = sorted(
    ({path for path in (*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md")) if not path.is_symlink()} - {*PLAYED})
    | {*CHECKOUT.glob("plugins/*/README.md"), *CHECKOUT.glob("examples/**/README.md")}
)
#: What has a file's name there is done by a `Reader` in another test.
FOLLOWED = {DOCS / "writing-plugins.md", *(DOCS / "tutorial").glob("*.md")}
#: Names that pages leave to their readers.
OF_READERS = {name: getattr(acmez, name) for name in acmez.__all__} | {"acmez": acmez, "Iterator": Iterator}
OF_READERS |= {"SolverContract": SolverContract}
OF_READERS |= dict.fromkeys(["ExampleSolver", "StandaloneSolver", "app", "application", "serve_challenges_at"])


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("path", PLAYED, ids=name_of)
def test_what_a_page_tells_can_be_done(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with player(path.read_text(), tmp_path, monkeypatch) as reader:
        reader.play()


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
        case _:
            check_foreign(block, place)
