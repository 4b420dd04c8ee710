"""What an identifier's owner lets others have certificates for (RFC 9115)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .transport import Response
from .wire import JSONObject, Members, parse_object


@dataclass(frozen=True, slots=True)
class Delegation:
    """One delegation (RFC 9115 §2.3.1.3).

    Attributes:
        url: goes into newOrder.
        csr_template: what the certificate request must hold (RFC 9115 §4).
        cname_map: delegated name -> the name that it is to be a CNAME for.
        raw: all that the server sent.
    """

    url: str
    csr_template: JSONObject
    cname_map: Mapping[str, str] = field(default_factory=dict)
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response) -> Delegation:
        """Read a delegation.

        Raises:
            MalformedAnswer: it holds no template.
        """
        raw = parse_object(response.body, response.url)
        members = Members(raw, response.url, "delegation")
        template = members.object("csr-template")
        if template is None:
            raise members.malformed("csr-template", "an object")
        names = members.object("cname-map") or {}
        cname_map = {name: target for name, target in names.items() if isinstance(target, str)}
        return cls(response.url, template, MappingProxyType(cname_map), raw)
