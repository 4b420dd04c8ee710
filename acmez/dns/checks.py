"""What many solvers check of their options."""

from __future__ import annotations

from urllib.parse import urlsplit


def check_seconds(option: str, seconds: float, *, most: int = 3600) -> None:
    """Check a number of seconds that something may take.

    Raises:
        ValueError: it is not above 0, or above *most*.
    """
    if not 0 < seconds <= most:
        raise ValueError(f"{option}: {seconds:g} is not between 0 and {most} seconds")


def check_ttl(ttl: int, *, least: int = 0) -> None:
    """Check the option `ttl`: the seconds for which a record may be remembered (RFC 2181 §8).

    Raises:
        ValueError: it is below *least*, or has more than 31 bits.
    """
    if not least <= ttl < 1 << 31:
        raise ValueError(f"ttl: {ttl} is no number of seconds a record can have")


def check_url(option: str, url: str, *, example: str) -> None:
    """Check the URL of a server.

    Raises:
        ValueError: it is none; the message shows *example*.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ValueError(f"{option}: {url!r} is no URL of a server (write {example})")
