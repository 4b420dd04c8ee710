"""Answers that one process gives and another one shows."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.errors import InputError, MalformedAnswer
from acmez.acme.identifier import Identifier
from acmez.answer_store import AnswerStoreError, DirectoryStore, entry, find_http, find_tls_alpn, publish, withdraw

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"


def challenge(kind: str, name: str = "example.com", token: str | None = TOKEN) -> Challenge:
    identifier = Identifier.ip(name) if name[-1].isdigit() else Identifier.dns(name)
    return Challenge(kind, "https://ca.example/1", "pending", identifier, token=token, thumbprint="thumb-PRINT_1")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "answers")


class TestEntries:
    def test_http_01_is_found_by_its_token(self, store):
        publish(store, challenge("http-01"))
        assert find_http(store, TOKEN) == f"{TOKEN}.thumb-PRINT_1"
        assert find_http(store, TOKEN[1:]) is None

    def test_what_was_published_is_withdrawn_once_or_twice(self, store):
        publish(store, challenge("http-01"))
        withdraw(store, challenge("http-01", token=TOKEN[1:]))
        assert find_http(store, TOKEN) is not None
        withdraw(store, challenge("http-01"))
        withdraw(store, challenge("http-01"))
        assert find_http(store, TOKEN) is None

    @pytest.mark.parametrize("kind", ["http-01", "tls-alpn-01"])
    def test_what_could_not_be_published_is_withdrawn_silently(self, store, kind):
        withdraw(store, challenge(kind, token=None))
        withdraw(store, challenge(kind, "a b"))

    @pytest.mark.parametrize("token", ["", "../x", "a b", "ä", "A" * 513, "\0"])
    def test_what_is_no_token_is_not_looked_for(self, tmp_path, token):
        (tmp_path / "file").touch()
        assert find_http(DirectoryStore(tmp_path / "file" / "x"), token) is None

    @pytest.mark.parametrize(
        ("name", "server_name"),
        [
            ("example.com", "example.com"),
            ("Example.COM", "example.com"),
            ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
            ("2001:db8::1", f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa"),
        ],
    )
    def test_tls_alpn_01_is_found_by_the_server_name(self, store, name, server_name):
        put = challenge("tls-alpn-01", name)
        publish(store, put)
        found = find_tls_alpn(store, server_name)
        assert found is not None
        assert (found.identifier, found.key_authorization) == (put.identifier, put.key_authorization)
        assert find_tls_alpn(store, "other.example") is None

    def test_the_types_do_not_mix(self, store):
        publish(store, challenge("tls-alpn-01"))
        assert find_http(store, TOKEN) is None

    def test_another_type_is_refused(self):
        with pytest.raises(InputError, match=r"^example\.com: 'dns-01' cannot be answered from a store$"):
            entry(challenge("dns-01"))

    @pytest.mark.parametrize("kind", ["http-01", "tls-alpn-01"])
    def test_what_cannot_be_answered_is_refused_before_it_is_kept(self, kind):
        with pytest.raises(MalformedAnswer, match="there is no token"):
            entry(challenge(kind, token=None))
        with pytest.raises(MalformedAnswer, match="not a DNS name"):
            entry(challenge(kind, "a b"))

    @pytest.mark.parametrize("value", ["", "[]", "{}", '{"type": 1, "value": 2, "token": 3, "thumbprint": 4}'])
    def test_what_somebody_else_put_is_an_error(self, store, value):
        store.put("tls-alpn-01 example.com", value, 60)
        with pytest.raises(AnswerStoreError, match=r"^example\.com: the store holds something else than a challenge$"):
            find_tls_alpn(store, "example.com")


class TestDirectory:
    def test_the_latest_value_counts(self, store):
        store.put("key", "one", 60)
        store.put("key", "two", 60)
        assert store.get("key") == "two"

    def test_only_ones_own_value_is_removed(self, store):
        store.put("key", "one", 60)
        store.put("key", "two", 60)
        store.remove("key", "one")
        assert store.get("key") == "two"
        store.remove("key", "two")
        store.remove("key", "two")
        assert store.get("key") is None
        assert [*store.directory.iterdir()] == []

    def test_an_entry_vanishes_in_time_and_its_file_with_the_next_process(self, store):
        store.put("old", "value", -1)
        assert store.get("old") is None
        DirectoryStore(store.directory).put("new", "value", 60)
        assert len([*store.directory.iterdir()]) == 1

    def test_a_process_that_puts_much_does_not_read_all_of_it_each_time(self, store, monkeypatch):
        store.put("first", "value", 60)
        monkeypatch.setattr(DirectoryStore, "_read", None)
        for number in range(100):
            store.put(str(number), "value", 60)
        assert len([*store.directory.iterdir()]) == 101

    def test_it_is_empty_before_it_is_made(self, store):
        assert store.get("key") is None
        store.remove("key", "value")
        assert not store.directory.exists()

    def test_others_may_read_and_not_write(self, store):
        store.put("key", "value", 60)
        (path,) = store.directory.iterdir()
        assert path.stat().st_mode & 0o777 == 0o644

    def test_no_name_of_a_file_shows_a_key(self, store):
        store.put("../../key", "value", 60)
        (path,) = store.directory.iterdir()
        assert "key" not in path.name
        assert store.get("../../key") == "value"

    def test_a_link_is_not_followed(self, store, tmp_path):
        store.put("key", "value", 60)
        (path,) = store.directory.iterdir()
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(AnswerStoreError, match="cannot be read: Too many levels of symbolic links"):
            store.get("key")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xff",
            b"[]",
            b'{"key": "other", "value": "x", "expires": 99999999999}',
            b'{"key": "key", "value": "x"}',
            b'{"key": "key", "value": "x", "expires": "never"}',
        ],
    )
    def test_what_is_not_ours_is_not_there(self, store, content):
        store.put("key", "value", 60)
        (path,) = store.directory.iterdir()
        path.write_bytes(content)
        assert store.get("key") is None
        store.put("other", "value", 60)
        assert path.read_bytes() == content

    def test_what_cannot_be_read_or_written_is_told_with_its_path(self, tmp_path):
        (tmp_path / "file").touch()
        store = DirectoryStore(tmp_path / "file" / "answers")
        with pytest.raises(AnswerStoreError, match="file/answers: cannot be written: Not a directory"):
            store.put("key", "value", 60)
        with pytest.raises(AnswerStoreError, match="cannot be read: Not a directory"):
            store.get("key")

    def test_readers_see_one_value_or_the_other_and_nothing_between(self, store):
        store.put("key", "a" * 1000, 60)
        ended = threading.Event()

        def write() -> None:
            for number in range(50):
                store.put("key", "ab"[number % 2] * 1000, 60)
            ended.set()

        def read() -> set[str | None]:
            seen = {store.get("key")}
            while not ended.is_set():
                seen.add(store.get("key"))
            return seen

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(3)]
            pool.submit(write).result(30)
            assert {value for reader in readers for value in reader.result(30)} <= {"a" * 1000, "b" * 1000}

    def test_a_file_holds_the_time_of_its_end(self, store):
        store.put("key", "value", 60)
        (path,) = store.directory.iterdir()
        assert set(json.loads(path.read_text())) == {"key", "value", "expires"}
