"""Where names lead: a mapping given by the test, or a real DNS server."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from acmez_testkit.model import Identifier
from acmez_testkit.wire import Refusal

if TYPE_CHECKING:
    import dns.name
    import dns.rdata

_MAX_ALIASES = 8


class Lookup:
    """Finds addresses and TXT records.

    Args:
        resolver: DNS server to ask; None: every name is 127.0.0.1 and TXT records are in `txt_records`
        hosts: address of a name or IP identifier, whatever the resolver says
        txt_records: values by name, used when there is no resolver
        timeout: seconds one query may take
        loopback_only: refuse other addresses

    """

    def __init__(
        self,
        *,
        resolver: tuple[str, int] | None,
        hosts: Mapping[str, str],
        txt_records: Mapping[str, list[str]],
        timeout: float,
        loopback_only: bool,
    ) -> None:
        self._resolver = resolver
        self._hosts = hosts
        self._txt_records = txt_records
        self._timeout = timeout
        self._loopback_only = loopback_only

    def addresses(self, identifier: Identifier) -> list[str]:
        """Return the addresses of an identifier, IPv6 first; raise Refusal if it has none."""
        found = self._addresses(identifier)
        for address in found:
            if self._loopback_only and not ipaddress.ip_address(address).is_loopback:
                raise Refusal("connection", f"{identifier.value}: {address} is not a loopback address")
        return found

    def _addresses(self, identifier: Identifier) -> list[str]:
        name = identifier.value
        if name in self._hosts:
            return [self._hosts[name]]
        if identifier.type == "ip" and (self._resolver or ipaddress.ip_address(name).is_loopback):
            return [name]
        if self._resolver is None:
            return ["127.0.0.1"]
        found = self._query(self._resolver, name, "AAAA") + self._query(self._resolver, name, "A")
        if not found:
            raise Refusal("dns", f"no address for {name}")
        return found

    def texts(self, name: str) -> list[str]:
        """Return the values of the TXT records at `name`."""
        if self._resolver is None:
            return list(self._txt_records.get(name, []))
        return self._query(self._resolver, name, "TXT")

    def _query(self, resolver: tuple[str, int], name: str, kind: str) -> list[str]:
        """Ask the DNS server, following aliases also where it does not follow them itself."""
        import dns.exception
        import dns.resolver

        client = dns.resolver.Resolver(configure=False)
        client.nameservers, client.port = [resolver[0]], resolver[1]
        client.lifetime = client.timeout = self._timeout
        for _ in range(_MAX_ALIASES):
            try:
                answer = client.resolve(name + ".", kind, raise_on_no_answer=False)
            except dns.resolver.NXDOMAIN as error:
                end = _bare(error.canonical_name)
                if end == name:
                    raise Refusal("dns", f"NXDOMAIN looking up {kind} for {name}") from None
            except dns.exception.DNSException as error:
                raise Refusal("dns", f"looking up {kind} for {name} failed: {type(error).__name__}") from None
            else:
                end = _bare(answer.canonical_name)
                if answer.rrset is not None or end == name:
                    return [_text(record) for record in answer.rrset or ()]
            name = end
        raise Refusal("dns", f"more than {_MAX_ALIASES} aliases before {name}")


def _bare(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _text(record: dns.rdata.Rdata) -> str:
    strings = getattr(record, "strings", None)  # the pieces of a TXT value
    return b"".join(strings).decode("latin-1") if strings is not None else record.to_text()
