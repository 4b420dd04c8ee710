"""What goes wrong between solver and application."""

from __future__ import annotations

from acmez.errors import AcmezError


class HttpAppError(AcmezError):
    """The application would not answer."""
