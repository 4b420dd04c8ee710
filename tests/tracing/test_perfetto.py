"""The JSON is what the Trace Event Format describes."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import combinations
from typing import Any

import jsonschema

from acmez import events
from acmez.tracing import Trace
from tests.tracing.story import NAME, ORDER, failed_name, fleet, one_name, request

# The fields of "Trace Event Format" (Google, 2016): complete, instant and metadata events, and the JSON object around.
COMMON = {
    "name": {"type": "string", "minLength": 1},
    "cat": {"type": "string"},
    "pid": {"type": "integer", "minimum": 1},
    "tid": {"type": "integer", "minimum": 0},
    "ts": {"type": "number", "minimum": 0},
    "args": {"type": "object"},
}


def event(phase: str, required: list[str], **more: object) -> dict[str, object]:
    return {
        "properties": {**COMMON, "ph": {"const": phase}, **more},
        "required": ["ph", "name", "pid", "tid", "ts", *required],
        "additionalProperties": False,
    }


SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "traceEvents": {
            "type": "array",
            "items": {
                "type": "object",
                "oneOf": [
                    event("X", ["dur", "cat"], dur={"type": "number", "exclusiveMinimum": 0}),
                    event("i", ["s", "cat"], s={"enum": ["g", "p", "t"]}),
                    event("M", ["args"], name={"enum": ["process_name", "thread_name"]}),
                ],
            },
        },
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object"},
    },
    "additionalProperties": False,
}


def traced(*seen: events.Event) -> list[dict[str, Any]]:
    trace = Trace()
    for each in seen:
        trace(each)
    document = json.loads(trace.json())
    jsonschema.validate(document, SCHEMA)
    found: list[dict[str, Any]] = document["traceEvents"]
    return found


def test_it_keeps_to_the_format():
    assert len(traced(*one_name(), *failed_name("no"), *fleet(20))) > 300
    assert traced() == []


def test_times_are_microseconds_since_the_first_event():
    found = traced(*one_name(at=1000.0))
    waited = next(each for each in found if each["name"] == "wait for http-01")
    assert (waited["ph"], waited["ts"], waited["dur"]) == ("X", 3e6, 2e6)
    proved = next(each for each in found if each["name"] == "proved")
    assert (proved["ph"], proved["s"], proved["ts"]) == ("i", "t", 7e6)


def test_a_certificate_is_a_process_and_a_name_a_thread():
    found = traced(request("directory", 0.0, 1.0), *one_name(at=1))
    named = {(each["pid"], each["name"]): each["args"]["name"] for each in found if each["ph"] == "M"}
    processes = {name for (_, what), name in named.items() if what == "process_name"}
    assert processes == {"account, directory, nonces", NAME}
    presented = next(each for each in found if each["name"] == "present http-01")
    (thread,) = [
        each["args"]["name"]
        for each in found
        if each["name"] == "thread_name" and (each["pid"], each["tid"]) == (presented["pid"], presented["tid"])
    ]
    assert thread == NAME
    assert presented["args"] == {"order": ORDER, "identifier": NAME, "challenge": "http-01", "solver": "web"}


def test_what_overlaps_is_on_threads_of_its_own():
    found = traced(request("a", 0, 2), request("b", 1, 2), request("c", 2.5, 2), request("d", 0.5, 1), *one_name())
    of_thread: defaultdict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for each in found:
        if each["ph"] == "X":
            of_thread[each["pid"], each["tid"]].append((each["ts"], each["ts"] + each["dur"]))
    for drawn in of_thread.values():
        for (start, end), (other, ended) in combinations(sorted(drawn, key=lambda times: (times[0], -times[1])), 2):
            assert other >= end or ended <= end, (start, end, other, ended)
    assert "account, directory, nonces (2)" in {each["args"].get("name") for each in found if each["ph"] == "M"}
