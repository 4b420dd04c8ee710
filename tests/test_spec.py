"""What certificate is wanted."""

from __future__ import annotations

import pytest

from acmez.acme.errors import InputError
from acmez.keys import generate
from acmez.spec import CertificateSpec


def test_names_are_kept_as_a_tuple():
    names = ["b.example", "a.example"]
    spec = CertificateSpec(names=names)  # type: ignore[arg-type]
    names.clear()
    assert spec.names == ("b.example", "a.example")


def test_one_text_is_not_a_list_of_names():
    with pytest.raises(InputError, match=r"did you mean \['example.com'\]\?"):
        CertificateSpec(names="example.com")  # type: ignore[arg-type]


def test_neither_key_nor_request_is_in_the_repr():
    shown = repr(CertificateSpec(names=("a.example",), key=generate("ec-p256"), csr=b"request"))
    assert "a.example" in shown
    assert "key=" not in shown
    assert "csr=" not in shown
