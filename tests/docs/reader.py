"""Somebody who does in a real shell's place what a page says, from the first line to the last."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.pages import blocks, commands, shows
from tests.overlay import Overlay


@dataclass
class Reader:
    """Somebody who does what the page says.

    Attributes:
        place: where they are.
        ran: the commands so far.
        different: what is otherwise here than on the page, such as ports that somebody else may have.
        running: programs that were started with "&".
    """

    overlay: Overlay
    place: Path
    ran: list[str] = field(default_factory=list)
    different: Mapping[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def follow(self, text: str) -> None:
        """Do all of it: write files, change them, run commands and look whether they say what is shown."""
        for here, there in self.different.items():
            assert here in text
            text = text.replace(here, there)
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
        for command in commands(text):
            output, code = self._run(command.line, lines=len(command.shown))
            expected_failure = any(each.startswith(("FAILED", "error:")) for each in command.shown)
            assert (code != 0) == expected_failure, output
            for each in command.shown:
                assert shows(output, each), output

    def _run(self, line: str, lines: int) -> tuple[str, int]:
        self.ran.append(line)
        words = shlex.split(line)
        environment = {}
        while re.match(r"[A-Z_]+=", words[0]):
            name, _, environment[name] = words.pop(0).partition("=")
        if words[:3] == ["python", "-m", "venv"]:
            self.overlay = Overlay.create(self.place / words[3])
            return "", 0
        if words[0] == "source":
            assert self.overlay.python.parent == (self.place / words[1]).parent
            return "", 0
        if words[0] == "cd":
            self.place /= words[1]
            return "", 0
        if words[-1] == "&":
            return self._start(words[:-1], lines), 0
        if words[0] == "pytest":
            words += ["-p", "no:cacheprovider"]
        done = self.overlay.run(words, self.place, environment=environment)
        return done.stdout + done.stderr, done.returncode

    def _start(self, words: list[str], lines: int) -> str:
        """Start a program that goes on, and return its first lines."""
        process = self.overlay.start(words, self.place)
        self.running.append(process)
        assert process.stdout is not None
        return "".join(process.stdout.readline() for _ in range(lines))

    def leave(self) -> None:
        """End what still runs."""
        for process in self.running:
            process.terminate()
            process.communicate(timeout=30)

    @staticmethod
    def _change(file: Path, diff: str) -> None:
        lines = diff.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        content = file.read_text()
        assert content.count(before) == 1
        file.write_text(content.replace(before, after))
