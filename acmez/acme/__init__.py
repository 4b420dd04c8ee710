"""Plumbing: RFC 8555 and its extensions, one method per request. Usable without the porcelain."""
