"""What checks the pages notices what is wrong on them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest

import acmez
from tests.docs import accounts, servers, shell, static
from tests.docs.pages import Block, blocks, commands, shows
from tests.docs.place import Place
from tests.docs.player import check_foreign, player


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


class TestBlocks:
    def test_a_sentence_before_a_block_names_its_file(self):
        (block,) = blocks("In `a/b.toml`:\n\n```toml\nx = 1\n```\n")
        assert (block.file, block.whole, block.text) == ("a/b.toml", True, "x = 1\n")

    def test_a_file_that_is_only_mentioned_is_not_written(self):
        (block,) = blocks("`b.py` has:\n\n```python\npass\n```\n")
        assert (block.file, block.whole) == ("b.py", False)

    def test_indented_blocks_are_found_when_they_are_asked_for(self):
        page = "Do this:\n\n    acmez demo\n\n```toml\nx = 1\n```\n"
        assert [block.language for block in blocks(page, indented=True)] == ["", "toml"]
        assert [block.language for block in blocks(page)] == ["toml"]

    def test_a_command_has_what_is_shown_below_it(self):
        first, second = commands("$ one \\\n  two\nshown\n$ three\n")
        assert (first.line, first.shown, second.line) == ("one two", ("shown",), "three")

    @pytest.mark.parametrize(("output", "shown"), [("a  b\nc", "a … c"), ("x: 12 s", "x: … s")])
    def test_an_ellipsis_stands_for_anything(self, output: str, shown: str):
        assert shows(output, shown)
        assert not shows(output, f"{shown}!")


class TestCommands:
    @pytest.mark.parametrize(
        "line",
        [
            "acmez check acmez.toml && acmez obtain --config acmez.toml --json | jq .",
            "pip install 'acmez[cli]' acmez-http-webroot",
            "python -m acmez_tls_alpn --directory answers",
            "make demo",
            "TOKEN=x acmez options http-webroot",
        ],
    )
    def test_right_ones(self, line: str):
        shell.check(line)

    @pytest.mark.parametrize(
        "line",
        [
            "acme check acmez.toml",
            "acmez renew",
            "acmez obtain --config acmez.toml --quick",
            "acmez check acmez.toml && acmez obtain",
            "pip install acmez-http-webrot",
            "pip install 'acmez[gui]'",
            "python -m acmez_nothing",
            "make coffee",
        ],
    )
    def test_wrong_ones(self, line: str):
        with pytest.raises((AssertionError, click.ClickException)):
            shell.check(line)


class TestPython:
    @pytest.mark.parametrize(
        "text",
        [
            "import acmez_nothing",
            "from acmez import Customer",
            "import acmez\nacmez.FileKy('a')",
            "import acmez\nacmez.FileKey('a', kind='ec')",
            "clientele.obtain()",
            "def broken(:",
        ],
    )
    def test_wrong_ones(self, text: str):
        with pytest.raises((AssertionError, ImportError, SyntaxError)):
            static.check_python(text, {})

    def test_a_name_from_further_up(self):
        known: dict[str, object] = {"acmez": acmez}
        static.check_python("key = acmez.FileKey('account.pem')", known)
        static.check_python("print(key)", known)


class TestConfigurations:
    @pytest.mark.parametrize(
        "text",
        [
            "paralelism = 3",
            '[solver.web]\nuse = "http-webrot"',
            '[solver.web]\nuse = "http-webroot"\noptions.paht = "/var/www"',
            '[[certificate]]\nnames = ["exa mple.com"]',
        ],
    )
    def test_wrong_ones(self, text: str, place: Place):
        with pytest.raises(acmez.ConfigError):
            place.check(text)


class TestOthers:
    @pytest.mark.parametrize(
        ("language", "file", "text"),
        [
            ("nginx", "", "server {\n    lisen 80;\n}\n"),
            ("haproxy", "", "frontend tls\n    mode tpc\n"),
            ("ini", "a.service", "[Service]\nExecStrat=/bin/true\n"),
            ("ini", "a.service", "[Service]\nExecStart=/opt/acmez/bin/acmez renew\n"),
            ("ini", "a.timer", "[Timer]\nOnCalendar=hourlyish\n"),
            ("text", "crontab", "23 * * acmez check acmez.toml\n"),
            ("sh", "", "if true; then\n"),
            ("apache", "", "<Directory /srv>\n</VirtualHost>\n"),
            ("json", "", "{'a': 1}"),
            ("text", "", "whatever\n"),
            ("ruby", "", "puts 1\n"),
            ("{code-block} ruby", "", "puts 1\n"),
        ],
    )
    def test_wrong_ones(self, language: str, file: str, text: str, place: Place):
        with pytest.raises((AssertionError, ValueError, KeyError, subprocess.SubprocessError)):
            check_foreign(Block(language, text, 1, file), place)

    def test_nginx_never_listens_beyond_this_machine(self, place: Place):
        servers.check_nginx("server {\n    listen 80;\n    listen [::]:80;\n}\n", place)
        text = (place.folder / "nginx.conf").read_text()
        assert text.count("listen 127.0.0.1:") == 2


class TestPlaying:
    def play(self, page: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        with player(page, folder, patch) as reader:
            reader.play()

    @pytest.mark.parametrize(
        "page",
        [
            "```python\nassert 1 == 2\n```\n",
            "In `a.py`:\n\n```python\nassert 1 == 2\n```\n",
            "In `a.py`:\n\n```python\nassert 1 == 2\n```\n\n```console\n$ python a.py\n```\n",
            "In `a.py`:\n\n```python\nraise SystemExit(1)\n```\n\n```console\n$ python a.py\n```\n",
            "```console\n$ acmez check nothing.toml\n```\n",
            "```console\n$ acmez check acmez.toml\nnot what it says\n```\n",
            "```console\n$ acmez obtain --config acmez.toml\nerror: no\n```\n",
            "```console\n$ gcloud info\nnobody looks whether this is true\n```\n",
        ],
    )
    def test_wrong_pages(self, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        with pytest.raises(AssertionError):
            self.play(page, tmp_path, monkeypatch)

    def test_another_clients_account_is_left_for_a_page_that_takes_it_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        with player("", tmp_path, monkeypatch) as reader:
            accounts.prepare(Path("from-lego.md"), reader)
            assert len(reader.ca.accounts) == 1
