"""An acme-dns server as its README describes it, with its DNS: https://github.com/joohoi/acme-dns."""

from __future__ import annotations

import contextlib
import re
import secrets
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import dns.message
import dns.rdatatype

from tests.dns.fake_api import FakeApi, Reply, Request
from tests.dns.scripted import ScriptedServer, answer

ZONE = "auth.test"
SOA = f"{ZONE}. 1 IN SOA ns1.{ZONE}. admin.{ZONE}. 1 28800 7200 604800 1"


class AcmeDns(FakeApi):
    """One server; *aliases* are served too, in place of the users' own zones.

    Attributes:
        users: user name -> account.
        values: subdomain -> its last two values.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.users: dict[str, dict[str, Any]] = {}
        self.values: dict[str, list[str]] = {}
        self.aliases: dict[str, str] = {}
        self.dns = ScriptedServer(self._resolve)

    @contextlib.contextmanager
    def running(self) -> Iterator[AcmeDns]:
        with super().running(), self.dns.running():
            yield self

    def _answer(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(405, {"error": "method"})
        return {"/register": self._register, "/update": self._update}[request.path](request)

    def _register(self, request: Request) -> Reply:
        subdomain = str(uuid.uuid4())
        account = {
            "allowfrom": (request.body or {}).get("allowfrom", []),
            "fulldomain": f"{subdomain}.{ZONE}",
            "password": secrets.token_urlsafe(30),
            "subdomain": subdomain,
            "username": str(uuid.uuid4()),
        }
        self.users[account["username"]] = account
        self.values[subdomain] = []
        return Reply(201, account)

    def _update(self, request: Request) -> Reply:
        account = self.users.get(request.headers.get("x-api-user", ""))
        body = request.body
        if account is None or request.headers.get("x-api-key") != account["password"]:
            return Reply(401, {"error": "forbidden"})
        if set(body) != {"subdomain", "txt"} or body["subdomain"] != account["subdomain"]:
            return Reply(401, {"error": "forbidden"})
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", body["txt"]):
            return Reply(400, {"error": "bad_txt"})
        self.values[account["subdomain"]] = [*self.values[account["subdomain"]], body["txt"]][-2:]
        return Reply(200, {"txt": body["txt"]})

    def _resolve(self, query: dns.message.Message) -> Sequence[dns.message.Message]:
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        lines = []
        if name in self.aliases:
            lines.append(f"{name}. 1 IN CNAME {self.aliases[name]}.")
            name = self.aliases[name]
        if query.question[0].rdtype == dns.rdatatype.TXT:
            lines += [f'{name}. 1 IN TXT "{value}"' for value in self.values.get(name.partition(".")[0], ())]
        return [answer(query, *lines, authority=[SOA])]
