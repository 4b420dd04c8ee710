"""Obtains certificates over bad networks and from bad CAs, and counts what is lost; see docs/reliability.md."""
