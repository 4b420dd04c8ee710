from __future__ import annotations

from tests.dns.fixtures import challenge_for, scope

__all__ = ["challenge_for", "scope"]
