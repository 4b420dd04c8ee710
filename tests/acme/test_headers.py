from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acmez.acme.headers import parse_links

BASE = "https://ca.example/acme/cert/1"


@pytest.mark.parametrize(
    "field",
    [
        '<https://ca.example/2>;rel="alternate"',
        '<https://ca.example/2>; rel="alternate"',
        "<https://ca.example/2>; rel=alternate",
        "<https://ca.example/2>;rel='alternate'",
        '<https://ca.example/2> ; REL = "Alternate"',
        '<https://ca.example/2>; title="x; rel=index, <y>"; rel="alternate"',
        '<https://ca.example/2>; title="a \\"quoted\\" one"; rel="alternate"',
        "<https://ca.example/2>; crossorigin; rel=alternate",
        '<https://ca.example/2>;; rel="alternate"; rel="index"',
        '</2>; rel="alternate"',
        "<../../2>; rel=alternate",
        '<//ca.example/2>; rel="alternate',
        ', <https://ca.example/2>; rel="alternate",',
    ],
)
def test_every_spelling_of_a_link_is_read(field: str):
    assert parse_links([field], BASE) == {"alternate": ("https://ca.example/2",)}


def test_many_links_in_one_field_and_many_fields_keep_their_order():
    fields = ['<a>; rel=index, <b>;rel="alternate",<c>;rel="alternate"', "<d>;rel=alternate", "<b>;rel=alternate"]

    links = parse_links(fields, "https://ca.example/")

    assert links == {
        "index": ("https://ca.example/a",),
        "alternate": ("https://ca.example/b", "https://ca.example/c", "https://ca.example/d"),
    }


def test_one_link_may_have_many_relations():
    links = parse_links(['<x>; rel="alternate  acme-optional-alternate https://example.com/rel"'], BASE)

    assert set(links) == {"alternate", "acme-optional-alternate", "https://example.com/rel"}


@pytest.mark.parametrize(
    "field", ["", "nonsense", "<x>", "<x>; rel", "<x>; rel=", "<[>; rel=up", "<//[>; rel=up", "x; rel=up"]
)
def test_what_cannot_be_read_is_left_out(field: str):
    links = parse_links([field], BASE)
    assert links in ({}, {"up": ("https://ca.example/acme/cert/[",)})


def test_a_flood_of_links_is_cut():
    field = ",".join(f"<{number}>;rel=alternate" for number in range(1000))

    assert len(parse_links([field], BASE)["alternate"]) == 64


@pytest.mark.parametrize(
    "field",
    [
        " " * 65536,
        "," * 65536,
        "<" * 65536,
        "<x>" + "; " * 32768,
        "<x>" + ";" * 65536,
        '<x>; a="' + "\\" * 65535,
        '<x>; a="' * 8192,
        "<x>" + "; a=b" * 13107,
    ],
)
def test_no_field_takes_long_to_read(field: str):
    began = time.process_time()

    parse_links([field], BASE)

    assert time.process_time() - began < 2  # with backtracking it would be hours


@given(st.lists(st.text(alphabet=st.sampled_from('<>;,="\\ \t[]/:relaltx'), max_size=60) | st.text(), max_size=3))
def test_reading_raises_nothing(fields: list[str]):
    for urls in parse_links(fields, BASE).values():
        assert urls
