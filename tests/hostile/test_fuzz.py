"""A short run of `make fuzz`, the same one each time."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from acmez.acme import MalformedAnswer
from fuzz.__main__ import main, run
from fuzz.readers import READERS, Fuzzed


@pytest.mark.parametrize("name", READERS)
def test_no_reader_raises_anything_but_errors_of_acmez(name: str):
    run(READERS[name], 8555, examples=30)


def test_a_reader_that_raises_something_else_is_found():
    def read(text: str) -> None:
        if "\x00" in text:
            raise KeyError(text)
        raise MalformedAnswer("no", url="https://ca.example/")

    with pytest.raises(KeyError, match=r"^'\\x00'"):
        run(Fuzzed(read, st.text(st.sampled_from("ab\x00"))), 1)


def test_it_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("FUZZ_SECONDS", "0.001")
    monkeypatch.setenv("FUZZ_SEED", "7")
    assert main(["nonce"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "fuzzing 1 readers for 0.001 s; FUZZ_SEED=7 repeats it",
        "200 examples: nothing but errors of acmez",
    ]


def test_a_reader_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]):
    assert main(["noonce"]) == 2
    assert capsys.readouterr().err.startswith("'noonce' is no reader; readers: json, ")
