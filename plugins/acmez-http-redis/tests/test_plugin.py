"""What is installed is what the README says."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path

import redis
from acmez_http_redis import HttpRedisSolver

from acmez import options
from acmez.kinds import SOLVER
from acmez.options import Secret
from acmez.plugins import PluginManager

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_found_by_the_solvers_name():
    assert PluginManager().find(SOLVER, "http-redis") is HttpRedisSolver


def test_the_readme_has_every_option_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `?(.*?)`? \|", README, re.MULTILINE))
    missing = dataclasses.MISSING
    assert rows == {
        field.name: "required" if field.default is missing else json.dumps(field.default)
        for field in dataclasses.fields(HttpRedisSolver)
    }


def test_the_readmes_toml_names_the_solver_and_its_options(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    (nodes,) = (tomllib.loads(text)["solver"]["nodes"] for text in blocks("toml"))
    assert nodes["use"] == HttpRedisSolver.name
    assert options.build(HttpRedisSolver, nodes["options"]) == HttpRedisSolver(Secret("redis://127.0.0.1:6379/0"))


def test_the_readmes_python_runs():
    solving, web, tls = blocks("python")
    names: dict[str, object] = {"application": lambda environ, start_response: []}
    exec(solving + web + tls.partition("with Front")[0], names)  # noqa: S102 - our own text
    assert isinstance(names["solver"], HttpRedisSolver)


def test_the_readmes_rights_are_enough(solver, url, redis_port, challenge, scope):
    (line,) = re.findall(r"^ {4}(ACL SETUSER .*)$", README, re.MULTILINE)
    with redis.Redis.from_url(url) as plain:
        plain.execute_command(*line.replace("~acmez:*", f"~{solver.prefix}*").split())
    own = HttpRedisSolver(Secret(f"redis://acmez:PASSWORD@127.0.0.1:{redis_port}/0"), prefix=solver.prefix)
    own.present(challenge, scope)
    assert own.find("tok-EN_1") is not None
    own.clean_up(challenge, None, scope)
    assert own.find("tok-EN_1") is None
    own.store.close()
