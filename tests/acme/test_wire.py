from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acmez.acme import AcmeError, InputError, MalformedAnswer
from acmez.acme.wire import (
    Members,
    b64decode,
    b64encode,
    dumps,
    is_base64url,
    parse_http_date,
    parse_json,
    parse_object,
    parse_timestamp,
    printable,
    resolve,
    retry_after,
    timestamp,
)
from tests.acme.answers import NOW, URL, Raw, bodies, members


class TestBase64url:
    @given(st.binary())
    def test_what_is_written_is_read_padded_or_not(self, data: bytes):
        text = b64encode(data)

        assert "=" not in text
        assert b64decode(text) == data
        assert b64decode(text + "=" * (-len(text) % 4)) == data

    @pytest.mark.parametrize("text", ["a b", "a+b/", "ä", "a\n", "ab=cd"])
    def test_other_characters_are_refused_without_repeating_them(self, text: str):
        with pytest.raises(InputError, match=r"^not base64url: characters outside"):
            b64decode(text)

    def test_an_impossible_length_is_refused(self):
        with pytest.raises(InputError, match=r"^not base64url: impossible length$"):
            b64decode("abcde")

    @pytest.mark.parametrize(
        ("text", "right"), [("aZ09-_", True), ("", False), ("a=", False), ("a\n", False), ("ä", False)]
    )
    def test_tokens_and_nonces_are_unpadded_and_not_empty(self, text: str, *, right: bool):
        assert is_base64url(text) is right


class TestJson:
    def test_it_is_written_without_blanks(self):
        assert dumps({"a": [1, True, None], "b": "ä"}) == b'{"a":[1,true,null],"b":"\\u00e4"}'

    @pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"x"])
    def test_what_is_no_json_is_refused(self, value: object):
        with pytest.raises(InputError, match=r"^payload: cannot be written as JSON: "):
            dumps({"a": value})  # type: ignore[dict-item]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "not JSON: "),
            (b"<html>", "not JSON: "),
            (b"\xff", "not JSON: "),
            (b'{"a":1,"a":2}', "not JSON: a member name is repeated"),
            (b"[NaN]", "not JSON: NaN is not JSON"),
            (b"[-Infinity]", "not JSON: -Infinity is not JSON"),
            (b"[" * 100_000, "the JSON is nested too deeply"),
            (b"1" * 5000, "not JSON: "),
        ],
    )
    def test_what_cannot_be_read_is_malformed(self, body: bytes, message: str):
        with pytest.raises(MalformedAnswer, match=f"^{URL}: {message}") as caught:
            parse_json(body, URL)
        assert caught.value.url == URL
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize(
        ("body", "kind"),
        [(b"[]", "an array"), (b"1", "a number"), (b'"x"', "a string"), (b"true", "a boolean"), (b"null", "null")],
    )
    def test_an_object_is_an_object(self, body: bytes, kind: str):
        with pytest.raises(MalformedAnswer, match=f"expected a JSON object, got {kind}$"):
            parse_object(body, URL)
        assert parse_object(b'\xef\xbb\xbf{"a": 1}', URL) == {"a": 1}

    @given(bodies("a"))
    def test_reading_raises_nothing_else(self, body: bytes):
        with contextlib.suppress(AcmeError):
            parse_object(body, URL)


class TestTimes:
    def test_they_are_written_in_utc(self):
        berlin = timezone(timedelta(hours=1))
        assert timestamp(datetime(2026, 11, 24, 13, 0, tzinfo=berlin)) == "2026-11-24T12:00:00Z"

    def test_one_without_time_zone_is_refused(self):
        with pytest.raises(
            InputError, match=r"^'2026-11-24T00:00:00' has no time zone \(did you mean datetime.now\(UTC\)\?\)$"
        ):
            timestamp(datetime(2026, 11, 24))  # noqa: DTZ001

    @pytest.mark.parametrize(
        "text",
        [
            "2026-11-24T12:00:00Z",
            "2026-11-24t12:00:00z",
            " 2026-11-24T12:00:00Z ",
            "2026-11-24 12:00:00Z",
            "2026-11-24T12:00:00",
            "2026-11-24T13:00:00+01:00",
            "2026-11-24T12:00:00.000000Z",
            "2026-11-24T12:00:00.000000000Z",
        ],
    )
    def test_every_form_in_use_is_read(self, text: str):
        assert parse_timestamp(text) == NOW

    @pytest.mark.parametrize(
        "text", ["", "soon", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]
    )
    def test_what_is_none_is_none(self, text: str):
        assert parse_timestamp(text) is None

    @given(st.datetimes(timezones=st.timezones(), min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001
    def test_what_is_written_is_read(self, moment: datetime):
        assert parse_timestamp(timestamp(moment)) == moment

    @given(st.text())
    def test_reading_raises_nothing(self, text: str):
        moment = parse_timestamp(text)
        assert moment is None or moment.tzinfo is UTC


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (None, None),
            ("0", 0.0),
            ("86400", 86400.0),
            (" 3 ", 3.0),
            ("1.5", 1.5),
            ("-5", 0.0),
            ("NaN", None),
            ("inf", None),
            ("", None),
            ("soon", None),
            ("1, 2", None),
            (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
            (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
            ("Tue, 24 Nov 2026 12:01:00 -0000", 60.0),
            ("Tue, 24 Nov 2026 13:01:00 +0100", 60.0),
            ("Tuesday, 24-Nov-26 12:01:00 GMT", 60.0),
            ("Tue, 99 Nov 2026 12:01:00 GMT", None),
        ],
    )
    def test_both_forms_are_read(self, value: str | None, seconds: float | None):
        assert retry_after(value, NOW) == seconds

    @given(st.text() | st.from_regex(r"[0-9a-zA-Z,: +-]*"))
    def test_reading_raises_nothing_and_is_never_negative(self, value: str):
        seconds = retry_after(value, NOW)
        assert seconds is None or 0 <= seconds < float("inf")

    @given(st.text())
    def test_dates_raise_nothing(self, text: str):
        moment = parse_http_date(text)
        assert moment is None or moment.utcoffset() == timedelta(0)


class TestPrintable:
    def test_terminal_tricks_are_made_visible(self):
        assert printable("a\nb\x1b[31m\u202ec\x00\ud800") == "a b\ufffd[31m\ufffdc\ufffd\ufffd"

    def test_long_text_is_cut(self):
        assert printable("x" * 10, 10) == "x" * 10
        assert printable("x" * 11, 10) == "x" * 10 + "..."

    @given(st.text())
    def test_it_can_be_printed(self, text: str):
        assert printable(text).encode().decode().isprintable() or " " in printable(text) or printable(text)


class TestMembers:
    RAW = json.loads(
        '{"text":"x","empty":"","number":1.5,"yes":true,"no":false,"null":null,"time":"2026-11-24T12:00:00Z",'
        '"relative":"/y","bad":"//[","texts":["a",1],"links":["/a","https://b.example/"],"object":{"k":1},"objects":[{}]}'
    )

    @pytest.fixture
    def thing(self) -> Members:
        return Members(self.RAW, URL, "thing")

    def test_members_of_the_right_type_are_read(self, thing: Members):
        assert thing.text("text") == thing.required_text("text") == "x"
        assert thing.number("number") == 1.5
        assert thing.flag("yes")
        assert thing.time("time") == NOW
        assert thing.link("relative") == "https://ca.example/y"
        assert thing.texts("texts") == ("a",)
        assert thing.links("links") == ("https://ca.example/a", "https://b.example/")
        assert thing.object("object") == {"k": 1}
        assert thing.objects("objects") == ({},)

    @pytest.mark.parametrize("name", ["absent", "null", "no", "empty", "yes"])
    def test_optional_members_of_another_type_count_as_absent(self, thing: Members, name: str):
        assert thing.text(name) is None
        assert thing.number(name) is None
        assert thing.time(name) is None
        assert thing.link(name) is None
        assert thing.object(name) is None
        assert thing.texts(name) == ()
        assert thing.flag(name) is (name == "yes")

    def test_a_link_that_is_no_url_counts_as_absent(self, thing: Members):
        assert thing.link("bad") is None

    @pytest.mark.parametrize(
        ("name", "got"),
        [
            ("absent", "nothing"),
            ("null", "null"),
            ("yes", "a boolean"),
            ("number", "a number"),
            ("object", "an object"),
        ],
    )
    def test_a_required_member_says_where_it_was(self, thing: Members, name: str, got: str):
        with pytest.raises(MalformedAnswer, match=f"^{URL}: thing.{name}: expected a string, got {got}$"):
            thing.required_text(name)

    @pytest.mark.parametrize("name", ["text", "object", "texts"])
    def test_arrays_must_hold_what_they_are_of(self, thing: Members, name: str):
        with pytest.raises(MalformedAnswer, match=f"thing.{name}: expected an array of URLs"):
            thing.links(name)
        with pytest.raises(MalformedAnswer, match=f"thing.{name}: expected an array of objects"):
            thing.objects(name)
        assert thing.links("null") == ()
        assert thing.objects("absent") == ()

    @given(
        members("a"),
        st.sampled_from(
            ["text", "required_text", "flag", "number", "link", "time", "texts", "links", "object", "objects"]
        ),
    )
    def test_reading_raises_nothing_else(self, raw: Raw, how: str):
        with contextlib.suppress(AcmeError):
            getattr(Members(raw, URL, "thing"), how)("a")


class TestResolve:
    @pytest.mark.parametrize(
        ("reference", "url"),
        [
            ("https://other.example/x", "https://other.example/x"),
            ("/x", "https://ca.example/x"),
            ("x", "https://ca.example/acme/x"),
            ("//other.example", "https://other.example"),
            ("?q", "https://ca.example/acme/thing?q"),
        ],
    )
    def test_relative_references_are_legal(self, reference: str, url: str):
        assert resolve(URL, reference) == url

    def test_what_is_no_url_is_malformed(self):
        with pytest.raises(MalformedAnswer, match=r"^https://ca.example/acme/thing: not a URL: '//\['$"):
            resolve(URL, "//[")
