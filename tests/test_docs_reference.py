"""What the reference takes from the code is what the code says."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from acmez import explanations
from acmez.config import Config
from acmez.option_docs import Option
from tools.sphinx_ext import docstrings, generated

MARKUP = [
    Option("ttl", "an integer", required=False, default="60", doc="seconds.", secret=False),
    Option("names", "a list | a table", required=True, default="", doc='"*.example.com" for all.', secret=False),
]


def rows(table: str) -> list[list[str]]:
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in table.splitlines()[2:]]


def test_options_become_a_table_whose_cells_are_what_they_say():
    assert rows(generated.option_table(MARKUP)) == [
        ["`ttl`", "an integer", "`60`", "seconds."],
        ["`names`", r"a list \| a table", "*required*", r'"\*.example.com" for all.'],
    ]


def test_every_table_of_a_configuration_has_a_heading():
    assert re.findall(r"^## (.*)$", generated.configuration(), re.MULTILINE) == [
        "Top level",
        *(f"`{title}`" for title, _ in list(generated._tables(Config, ""))[1:]),
    ]
    assert "## `[solver.NAME.wait]`" in generated.configuration()


def test_the_tree_of_errors_has_each_of_them_below_its_base():
    lines = generated.errors().splitlines()
    names = [re.findall(r"\[(\w+)\]", line)[0] for line in lines]
    assert sorted(names) == explanations.names()
    depth = {name: len(line) - len(line.lstrip()) for name, line in zip(names, lines, strict=True)}
    assert depth["AcmeError"] < depth["ProblemError"] < depth["RateLimited"]
    assert names.index("ProblemError") < names.index("RateLimited") < names.index("StateError")


def test_what_is_logged_is_found_where_it_is_written():
    listed = rows(generated.loggers())
    assert ["`acmez.catalogue`", "WARNING", "`plugin %r is blocked %s`"] in listed
    assert ["`acmez_tls_alpn.front`", "ERROR", "`backend %r: cannot be reached`"] in listed
    assert {level for _, level, _ in listed} <= set(logging.getLevelNamesMapping())


def test_every_module_that_logs_is_found(tmp_path: Path):
    module = tmp_path / "module.py"
    module.write_text(
        "import logging\nlog = logging.getLogger(__name__)\nother = logging.getLogger('acmez')\n"
        "log.info('one %s', 1)\nif log:\n    other.exception('two')\nlog.isEnabledFor(1)\nprint('three')\n"
    )
    assert list(generated._logged(module, "some.module")) == [
        ("`some.module`", "INFO", "`one %s`"),
        ("`acmez`", "ERROR", "`two`"),
    ]


def test_every_module_of_the_core_is_listed_with_what_it_is():
    listed = re.findall(r"^## `([\w.]+)`\n|^\| `(\w+\.py)` \| (.+) \|$", generated.modules(), re.MULTILINE)
    packages: dict[str, list[str]] = {}
    for package, file, about in listed:
        if package:
            files = packages.setdefault(package, [])
        else:
            files.append(file)
            assert len(about) > 10
    core = generated.ROOT / "acmez"
    assert packages == {
        ".".join(folder.relative_to(core.parent).parts): sorted(file.name for file in folder.glob("*.py"))
        for folder in [core, *sorted(core.rglob("*/"))]
        if (folder / "__init__.py").exists()
    }
    assert {"scope.py", "retry.py"} < set(packages["acmez.acme"])


def test_a_docstring_is_shown_as_it_is_meant():
    lines = [
        'Take names, "*.example.com" too:',
        "",
        '    take("*.example.com")',
        "",
        "    take(None)",
        "",
        "Args:",
        '    first, second: names, such as "*.example.com",',
        "        in A-labels.",
        "",
        "    third: one more.",
        "",
        "Raises:",
        "    InputError, errors.OtherError: as told.",
    ]
    assert list(docstrings.as_rst(docstrings.one_name_each(lines)))[:-1] == [
        'Take names, "\\*.example.com" too:',
        "",
        "::",
        "",
        '    take("*.example.com")',
        "",
        "    take(None)",
        "",
        "Args:",
        '    first: names, such as "\\*.example.com",',
        "        in A-labels.",
        '    second: names, such as "\\*.example.com",',
        "        in A-labels.",
        "",
        "    third: one more.",
        "",
        "Raises:",
        "    InputError: as told.",
        "    errors.OtherError: as told.",
    ]
