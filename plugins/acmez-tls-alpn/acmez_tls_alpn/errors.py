"""What goes wrong with ports and backends."""

from __future__ import annotations

from acmez.errors import AcmezError


class TlsAlpnError(AcmezError):
    """The responder cannot listen or forward; the message starts with the port, the host or the backend."""
