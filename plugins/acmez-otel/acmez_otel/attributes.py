"""What requests are called: OpenTelemetry's semantic conventions for HTTP clients, 1.23 and later."""

from __future__ import annotations

from urllib.parse import urlsplit

from opentelemetry.util.types import AttributeValue

from acmez.acme.session import Exchange

OPERATION = "acme.operation"
CHALLENGE = "acme.challenge.type"
ERROR = "error.type"

_OTHER = "_OTHER"  # the conventions' word for an error that has no name
_PORTS = {"http": 80, "https": 443}


def error_type(exchange: Exchange) -> str | None:
    """Return what kind of failure a request ended with, `None` if with none."""
    if exchange.status is None:
        return _OTHER
    return str(exchange.status) if exchange.status >= 400 else None


def of_request(exchange: Exchange) -> dict[str, AttributeValue]:
    """Return what tells kinds of requests from each other: few enough for a metric."""
    url = urlsplit(exchange.url)
    found: dict[str, AttributeValue] = {
        OPERATION: exchange.operation,
        "http.request.method": exchange.method,
        "server.address": url.hostname or "",
        "server.port": url.port or _PORTS.get(url.scheme, 0),
        "url.scheme": url.scheme,
    }
    if exchange.status is not None:
        found["http.response.status_code"] = exchange.status
    kind = error_type(exchange)
    return found if kind is None else {**found, ERROR: kind}
