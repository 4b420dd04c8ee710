"""Asks the CA itself, past the proxy, what a client has left there."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from acmez.acme.account import Account
from acmez.acme.authorization import Authorization, AuthorizationStatus
from acmez.acme.challenge import ChallengeStatus
from acmez.acme.client import Client
from acmez.acme.errors import TransportError
from acmez.acme.jws import PrivateKey, SigningKey
from acmez.acme.order import OrderStatus
from acmez.acme.retry import DefaultRetry
from acmez.acme.transport import Timeouts, Transport
from acmez.keys import generate
from chaos.journey import Journey
from tests.pebble.server import Pebble

#: For requests past the proxy, which nothing disturbs.
ONCE = DefaultRetry(attempts=1, nonce_attempts=1000)
SOON = Timeouts(connect=5, read=5, total=5)


class LockedUpError(Exception):
    """Pebble has stopped answering: 2.10 takes a read lock twice, and a writer may come in between."""


def audit(pebble: Pebble, journey: Journey, key: PrivateKey) -> tuple[int, int]:
    """Return the duplicate orders and the pending authorizations of one account.

    Raises:
        LockedUpError: the CA does not answer.
    """
    base = pebble.directory_url
    with (
        Transport(trust=pebble.trust, proxy="", timeouts=SOON) as transport,
        Client(base, transport=transport, retry=ONCE) as client,
    ):
        try:
            if journey.account is None or not journey.orders:
                client.new_account(SigningKey(generate("ec-p256")), terms_of_service_agreed=True)  # does it answer?
                return 0, 0
            account = Account(urljoin(base, journey.account), SigningKey(key))
            orders = [client.order(account, urljoin(base, path)) for path in journey.orders]
            # Pebble remembers its URLs with the host of the request that made them: the proxy's.
            paths = {urlsplit(url).path for order in orders for url in order.authorizations}
            authorizations = [client.authorization(account, urljoin(base, path)) for path in paths]
        except TransportError as error:
            raise LockedUpError(str(error)) from error
    live = sum(order.status != OrderStatus.INVALID for order in orders)
    return max(0, live - 1), sum(map(_left, authorizations))


def _left(authorization: Authorization) -> bool:
    """Whether it stays pending; one that the CA is looking at settles by itself."""
    looking = any(challenge.status == ChallengeStatus.PROCESSING for challenge in authorization.challenges)
    return authorization.status == AuthorizationStatus.PENDING and not looking
