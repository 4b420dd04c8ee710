"""Tokens that would become a path, a record or a header if nobody looked at them (RFC 8555 §8.1, §8.3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from acmez_http_webroot import WebrootSolver
from acmez_testkit import Answer

from acmez import ChallengesFailed
from tests.hostile.answers import NAME, TRICKS, authorization, challenge, tricky
from tests.hostile.conftest import Start
from tests.solvers import TxtSolver, WebSolver

TOKENS = {
    "traversal": "../../../../etc/cron.d/x",
    "absolute": "/etc/passwd",
    "encoded": "..%2f..%2fetc%2fpasswd",
    "windows": "..\\..\\x",
    "dot": ".",
    "nul": "AAAAAAAAAAAAAAAAAAAAAA\x00.txt",
    "newline": "AAAAAAAAAAAAAAAAAAAAAA\n",
    "header": "AAAAAAAAAAAAAAAAAAAAAA\r\nSet-Cookie: a=b",
    "megabyte": "A" * 1_000_000,
    "padded": "AAAAAAAAAAAAAAAAAAAAAA==",
    "tricks": TRICKS,
    "full width": "\uff0e\uff0e\uff0fx",
    "surrogate": "\ud800",
    "empty": "",
    "number": 7,
    "list": ["AAAA"],
    "null": None,
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_it_becomes_no_file(start: Start, tmp_path: Path, token: object):
    lab = start()
    webroot = tmp_path / "a" / "b" / "webroot"
    webroot.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    client = lab.client(WebrootSolver(path=webroot))
    lab.ca.faults.add("authz", Answer(200, authorization(lab, challenges=[challenge(lab, token=token)])))
    with pytest.raises(ChallengesFailed, match=r"http-01.*(not base64url|no token)") as raised:
        client.obtain([NAME])
    assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == []
    assert set(before) <= set(tmp_path.rglob("*"))
    assert not tricky(str(raised.value))
    assert len(str(raised.value)) < 1000
    assert lab.requests()["challenge"] == 0


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("kind", ["http-01", "dns-01"])
def test_it_is_neither_served_nor_put_into_a_zone(start: Start, kind: str, token: object):
    lab = start()
    solver = WebSolver(web=lab.web) if kind == "http-01" else TxtSolver(zone=lab.zone)
    offered = [challenge(lab, type=kind, token=token)]
    lab.ca.faults.add("authz", Answer(200, authorization(lab, challenges=offered)))
    with pytest.raises(ChallengesFailed, match=r"not base64url|no token"):
        lab.client(solver).obtain([NAME])
    assert lab.requests()["challenge"] == 0
