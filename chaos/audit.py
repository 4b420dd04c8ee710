"""Asks the CA itself, past the proxy, what a client has left there."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from acmez.acme.account import Account
from acmez.acme.authorization import AuthorizationStatus
from acmez.acme.client import Client
from acmez.acme.jws import PrivateKey, SigningKey
from acmez.acme.order import OrderStatus
from acmez.acme.retry import DefaultRetry
from acmez.acme.transport import Transport
from chaos.journey import Journey
from tests.pebble.server import Pebble

_PATIENT = DefaultRetry(nonce_attempts=1000)


def audit(pebble: Pebble, journey: Journey, key: PrivateKey) -> tuple[int, int]:
    """Return the duplicate orders and the pending authorizations of one account."""
    if journey.account is None or not journey.orders:
        return 0, 0
    with (
        Transport(trust=pebble.trust, proxy="") as transport,
        Client(pebble.directory_url, transport=transport, retry=_PATIENT) as client,
    ):
        base = pebble.directory_url
        account = Account(urljoin(base, journey.account), SigningKey(key))
        orders = [client.order(account, urljoin(base, path)) for path in journey.orders]
        # Pebble remembers its URLs with the host of the request that made them: the proxy's.
        paths = {urlsplit(url).path for order in orders for url in order.authorizations}
        authorizations = [client.authorization(account, urljoin(base, path)) for path in paths]
    live = sum(order.status != OrderStatus.INVALID for order in orders)
    pending = sum(authorization.status == AuthorizationStatus.PENDING for authorization in authorizations)
    return max(0, live - 1), pending
