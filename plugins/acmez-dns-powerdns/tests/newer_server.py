"""The zones of a server that adds and removes single values, as pdns/ws-auth.cc of PowerDNS 5.0.2 does it."""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import unquote

from tests.dns.fake_api import FakeApi, Reply, Request

Sets = dict[tuple[str, str], dict[str, Any]]


class Refused(Exception):
    """The server does not like a change."""


class NewerServer(FakeApi):
    """One server with some zones; with `single_values` off it is an older one.

    Attributes:
        zones: name -> (name, type) -> set of records, as the API shows it.
        patched: the change types that were asked for, one list per request.
    """

    def __init__(self, *zones: str, single_values: bool = True) -> None:
        super().__init__(self._answer)
        self.zones: dict[str, Sets] = {zone: {} for zone in zones}
        self.single_values = single_values
        self.patched: list[list[str]] = []

    def put(self, zone: str, name: str, *contents: str, ttl: int = 120) -> None:
        """Set the TXT records at a name."""
        records = [{"content": content, "disabled": False} for content in contents]
        self.zones[zone][f"{name}.", "TXT"] = {"name": f"{name}.", "type": "TXT", "ttl": ttl, "records": records}

    def dump(self, zone: str) -> list[str]:
        return sorted(
            f"{name} {each['ttl']} {kind} {record['content']}"
            for (name, kind), each in self.zones[zone].items()
            for record in each["records"]
        )

    def ask(self, name: str, kind: str = "TXT") -> list[str]:
        found = (sets.get((f"{name}.", kind), {"records": []}) for sets in self.zones.values())
        return sorted(record["content"] for each in found for record in each["records"])

    def _answer(self, request: Request) -> Reply:
        zone = unquote(request.path.rpartition("/zones/")[2]).rstrip(".")
        if zone not in self.zones:
            return Reply(404, {"error": "Not Found"})
        if request.method == "GET":
            return Reply(200, {"name": f"{zone}.", "kind": "Native", "rrsets": list(self.zones[zone].values())})
        self.patched.append([each["changetype"] for each in request.body["rrsets"]])
        sets = copy.deepcopy(self.zones[zone])
        try:
            for change in request.body["rrsets"]:
                self._apply(sets, change)
        except Refused as refused:
            return Reply(422, {"error": str(refused)})
        self.zones[zone] = {key: each for key, each in sets.items() if each["records"]}
        return Reply(204, b"")

    def _apply(self, sets: Sets, change: Any) -> None:
        key, kind = (change["name"], change["type"]), change["changetype"]
        if kind not in {"REPLACE", "DELETE", *({"EXTEND", "PRUNE"} if self.single_values else ())}:
            raise Refused("Changetype not understood")
        if kind == "DELETE":
            sets.pop(key, None)
            return
        if kind == "REPLACE":
            sets[key] = {name: change[name] for name in ("name", "type", "ttl", "records")}
            return
        if len(change["records"]) != 1:
            raise Refused("Exactly one record should be provided for PRUNE or EXTEND operation")
        (record,) = change["records"]
        known = sets.setdefault(key, {"name": key[0], "type": key[1], "ttl": change["ttl"], "records": []})
        if known["ttl"] != change["ttl"]:
            raise Refused("uses a different TTL than the other records")
        others = [each for each in known["records"] if each["content"] != record["content"]]
        known["records"] = others if kind == "PRUNE" else [*others, record]
