"""Which key in which token: from options, or from a URI (RFC 7512)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

_TOKEN = {"token": "label", "serial": "serial", "manufacturer": "manufacturer", "model": "model"}
_PATH = {*_TOKEN, "object", "id", "type"}
_QUERY = {"module-path", "pin-source"}


@dataclass(frozen=True, slots=True)
class Address:
    """What is known of a key.

    Attributes:
        token: "label", "serial", "manufacturer" and "model", those that are known.
        label: of the key.
        id: of the key.
        module: the library to load.
        pin_file: holds the PIN.
    """

    token: Mapping[str, str]
    label: str | None = None
    id: bytes | None = None
    module: Path | None = None
    pin_file: Path | None = None

    def __str__(self) -> str:
        token = " ".join(f"{value!r}" for value in self.token.values())
        key = repr(self.label) if self.label is not None else f"with id {(self.id or b'').hex()}"
        return f"token {token}: key {key}"

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read a URI (RFC 7512 §2.3).

        Raises:
            ValueError: it is none, or has attributes that cannot be heeded.
        """
        scheme, colon, rest = uri.partition(":")
        if not colon or scheme.lower() != "pkcs11":
            raise ValueError("does not begin with 'pkcs11:'")
        path, _, query = rest.partition("?")
        attributes, options = _attributes(path, ";", _PATH), _attributes(query, "&", _QUERY)
        if _text(attributes, "type") not in {None, "private"}:
            raise ValueError(f"type: expected 'private', got {_text(attributes, 'type')!r}")
        module, pin = _text(options, "module-path"), _text(options, "pin-source")
        return cls(
            {name: text for key, name in _TOKEN.items() if (text := _text(attributes, key)) is not None},
            label=_text(attributes, "object"),
            id=unquote_to_bytes(attributes["id"]) if "id" in attributes else None,
            module=None if module is None else Path(module),
            pin_file=None if pin is None else _file(pin),
        )


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise ValueError("pin-value: a URI is no place for a PIN; use the option 'pin'")
        if not equals or name not in known:
            raise ValueError(f"{name!a}: unknown or without a value (known: {', '.join(sorted(known))})")
        if name in found:
            raise ValueError(f"{name}: given twice")
        found[name] = value
    return found


def _text(attributes: Mapping[str, str], name: str) -> str | None:
    try:
        return unquote(attributes[name], errors="strict") if name in attributes else None
    except UnicodeDecodeError:
        raise ValueError(f"{name}: is not UTF-8") from None


def _file(source: str) -> Path:
    scheme, colon, path = source.partition(":")
    if colon and scheme == "file":
        source = path.removeprefix("//") if path.startswith("///") else path
    if not source.startswith("/"):
        raise ValueError(f"pin-source: expected the path of a file, got {source!r}")
    return Path(source)
