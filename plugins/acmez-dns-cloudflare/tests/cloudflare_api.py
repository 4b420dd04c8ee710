"""Cloudflare's API as its documentation describes it, and as strict: https://developers.cloudflare.com/api/."""

from __future__ import annotations

import copy
import hashlib
import re
import secrets
from typing import Any

from acmez.dns.texts import quoted, unquoted
from tests.dns.fake_api import FakeApi, Reply, Request

TOKEN = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"


class Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        self.reply = Reply(
            status,
            {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None},
        )


class Cloudflare(FakeApi):
    """One account with some zones.

    Attributes:
        zones: name -> records, each as the API shows it.
        hidden: zones that the token may edit and not read.
        page_size: how many records are on a page at the most.
    """

    def __init__(self, *zones: str) -> None:
        super().__init__(self._answer)
        self.zones: dict[str, list[dict[str, Any]]] = {zone: [] for zone in zones}
        self.hidden: set[str] = set()
        self.page_size = 100

    def put(self, zone: str, name: str, content: str, ttl: int = 120) -> None:
        """Add a record of somebody else."""
        self.zones[zone].append(
            {"id": secrets.token_hex(16), "type": "TXT", "name": f"{name}.{zone}", "content": content, "ttl": ttl}
        )

    def dump(self, zone: str) -> list[str]:
        return sorted(str(sorted(record.items())) for record in self.zones[zone])

    def ask(self, name: str, _kind: str = "TXT") -> list[str]:
        records = (record for zone in self.zones.values() for record in zone)
        return sorted(quoted(unquoted(record["content"])) for record in records if record["name"] == name)

    def identifier(self, zone: str) -> str:
        return hashlib.md5(zone.encode()).hexdigest()  # noqa: S324 - 32 hexadecimal digits

    def _answer(self, request: Request) -> Reply:
        try:
            self._authorize(request)
            return self._route(request)
        except Refused as refused:
            return refused.reply

    def _authorize(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not re.fullmatch(r"Bearer \S+", given):
            raise Refused(400, 6003, "Invalid request headers")
        if given != f"Bearer {TOKEN}":
            raise Refused(403, 9109, "Invalid access token")
        if request.body is not None and request.headers.get("content-type") != "application/json":
            raise Refused(415, 1001, "Unsupported content type")

    def _route(self, request: Request) -> Reply:
        path = request.path.removeprefix("/client/v4")
        if (request.method, path) == ("GET", "/zones"):
            (name,) = request.query["name"]
            found = [{"id": self.identifier(name), "name": name}] if name in {*self.zones} - self.hidden else []
            return self._page(found, request)
        match = re.fullmatch(r"/zones/([0-9a-f]{32})/dns_records(/batch)?", path)
        zone = next((zone for zone in self.zones if match and self.identifier(zone) == match[1]), None)
        if match is None or zone is None:
            raise Refused(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")
        if request.method == "GET" and not match[2]:
            records = [each for each in self.zones[zone] if [each["name"]] == request.query["name"]]
            return self._page([each for each in records if [each["type"]] == request.query["type"]], request)
        if request.method == "POST" and match[2]:
            return self._batch(zone, request.body)
        raise Refused(405, 7001, "Method not allowed")

    def _page(self, found: list[dict[str, Any]], request: Request) -> Reply:
        size = min(int(request.query.get("per_page", ["20"])[0]), self.page_size)
        page = int(request.query.get("page", ["1"])[0])
        shown = found[(page - 1) * size : page * size]
        info = {
            "page": page,
            "per_page": size,
            "count": len(shown),
            "total_count": len(found),
            "total_pages": -(-len(found) // size),
        }
        return Reply(200, {"success": True, "errors": [], "messages": [], "result": shown, "result_info": info})

    def _batch(self, zone: str, body: Any) -> Reply:
        """Make all changes or none, in the documented order."""
        if not body or not set(body) <= {"deletes", "patches", "puts", "posts"} or sum(map(len, body.values())) > 200:
            raise Refused(400, 9207, "Request body is invalid")
        records = copy.deepcopy(self.zones[zone])
        for each in body.get("deletes", ()):
            if set(each) != {"id"} or each["id"] not in {record["id"] for record in records}:
                raise Refused(404, 81044, "Record does not exist.")
            records = [record for record in records if record["id"] != each["id"]]
        posts = []
        for each in body.get("posts", ()):
            self._check(zone, each, records)
            posts.append({"id": secrets.token_hex(16), **each})
            records.append(posts[-1])
        self.zones[zone] = records
        result = {"deletes": body.get("deletes", []), "patches": [], "puts": [], "posts": posts}
        return Reply(200, {"success": True, "errors": [], "messages": [], "result": result})

    def _check(self, zone: str, record: Any, records: list[dict[str, Any]]) -> None:
        if set(record) != {"type", "name", "content", "ttl"} or record["type"] != "TXT":
            raise Refused(400, 1004, "DNS Validation Error")
        if not f".{record['name']}".endswith(f".{zone}"):
            raise Refused(400, 1004, "DNS Validation Error: the name is not in the zone")
        if record["ttl"] != 1 and not 60 <= record["ttl"] <= 86400:
            raise Refused(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
        if not re.fullmatch(r'("([^"\\]|\\.){1,255}" ?)+', record["content"]):
            raise Refused(400, 1004, "DNS Validation Error: the content of TXT records must be in quotes")
        for other in records:
            if other["name"] == record["name"] and unquoted(other["content"]) == unquoted(record["content"]):
                raise Refused(400, 81058, "An identical record already exists.")
