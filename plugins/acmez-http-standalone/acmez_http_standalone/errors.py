"""What goes wrong with ports."""

from __future__ import annotations

from acmez.errors import AcmezError


class StandaloneError(AcmezError):
    """The server cannot listen; the message starts with the port or the host."""
