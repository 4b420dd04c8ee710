"""What a hostile CA answers."""

from __future__ import annotations

from typing import Any

from acmez_testkit import Answer

from acmez import Certificate
from acmez.csr import certificate_names
from tests.solvers import Lab

NAME = "www.example.org"
TOKEN = "AAAAAAAAAAAAAAAAAAAAAA"

#: What a terminal would obey: a colour, a window title, a bell, text that runs backwards.
TRICKS = "\x1b[31mred\x1b]0;title\x07\u202egnp"


def tricky(text: str) -> set[str]:
    """Return which characters of *text* a terminal would obey."""
    return set(text) & set("\x1b\x07\u202e\r\x00")


def order(lab: Lab, **members: object) -> dict[str, Any]:
    """An order for `NAME` whose authorization is at /authz/1."""
    base = origin(lab)
    document: dict[str, Any] = {
        "status": "pending",
        "identifiers": [{"type": "dns", "value": NAME}],
        "authorizations": [f"{base}/authz/1"],
        "finalize": f"{base}/finalize/1",
    }
    return document | members


def authorization(lab: Lab, **members: object) -> dict[str, Any]:
    """A pending authorization for `NAME` with one http-01 challenge."""
    document: dict[str, Any] = {
        "status": "pending",
        "identifier": {"type": "dns", "value": NAME},
        "challenges": [challenge(lab)],
    }
    return document | members


def challenge(lab: Lab, **members: object) -> dict[str, Any]:
    """A pending http-01 challenge."""
    return {"type": "http-01", "url": f"{origin(lab)}/challenge/1", "status": "pending", "token": TOKEN} | members


def made(lab: Lab, document: dict[str, Any] | bytes, at: str = "/order/1") -> Answer:
    """The answer to newOrder."""
    return Answer(201, document, {"Location": origin(lab) + at}, content_type="application/json")


def origin(lab: Lab) -> str:
    return lab.ca.directory_url.rpartition("/")[0]


def names(certificate: Certificate) -> set[str]:
    """The names of a certificate."""
    return {value for _, value in certificate_names(certificate.leaf)}
