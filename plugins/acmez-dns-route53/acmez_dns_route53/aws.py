"""boto3, as far as it is needed here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from acmez.acme.scope import CancelScope
from acmez.acme.wire import printable
from acmez.dns import DnsError
from acmez.dns.foreign import bounded

T = TypeVar("T")

#: What Amazon answers, and what it is asked; boto3 checks both against its model of the API.
Answer = Mapping[str, Any]

_HINTS = {
    "AccessDenied": "let the credentials list hosted zones, and read and change the records of this one",
    "AccessDeniedException": "let the credentials list hosted zones, and read and change the records of this one",
    "InvalidClientTokenId": "there is no such access key",
    "SignatureDoesNotMatch": "the secret access key is another, or the clock is wrong",
    "ExpiredToken": "the session is over",
    "NoSuchHostedZone": "'hosted_zone_ids' is wrong, or of another account",
    "NoCredentialsError": "set access_key_id and secret_access_key, or let boto3 find them",
}


class Route53Error(DnsError):
    """Amazon refused, or did not answer.

    Attributes:
        code: Amazon's, or the name of boto3's error.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Client(Protocol):
    """A client of boto3 for Route 53."""

    def list_hosted_zones_by_name(self, **wanted: object) -> Answer: ...
    def list_resource_record_sets(self, **wanted: object) -> Answer: ...
    def change_resource_record_sets(self, **wanted: object) -> Answer: ...
    def get_change(self, **wanted: object) -> Answer: ...
    def close(self) -> None: ...


class Aws:
    """Makes clients with the user's credentials; what is empty boto3 finds itself."""

    def __init__(
        self,
        *,
        profile: str,
        access_key_id: str,
        secret_access_key: str | None,
        session_token: str | None,
        endpoint_url: str,
        timeout: float,
    ) -> None:
        self._profile = profile
        self._credentials = (access_key_id or None, _text(secret_access_key), _text(session_token))
        self._endpoint_url = endpoint_url
        self._timeout = timeout
        self._lock = threading.Lock()
        self._session: Any = None

    @contextmanager
    def client(self, scope: CancelScope) -> Iterator[Client]:
        """Yield a client, whose connections end with the `with` statement.

        Raises:
            Route53Error: the configuration of AWS cannot be used.
        """
        made = asked("Route 53", self._made, scope)
        try:
            yield made
        finally:
            made.close()

    def _made(self) -> Client:
        import boto3  # type: ignore[import-untyped,unused-ignore]
        from botocore.config import Config  # type: ignore[import-untyped,unused-ignore]

        config = Config(
            connect_timeout=min(10.0, self._timeout),
            read_timeout=self._timeout,
            retries={"mode": "standard", "max_attempts": 5},
        )
        with self._lock:  # neither is safe to be made by two threads at once
            if self._session is None:
                key, secret, token = self._credentials
                self._session = boto3.Session(
                    aws_access_key_id=key,
                    aws_secret_access_key=secret,
                    aws_session_token=token,
                    profile_name=self._profile or None,
                    region_name="us-east-1",  # Route 53 has one endpoint for all regions
                )
            made: Client = self._session.client("route53", endpoint_url=self._endpoint_url or None, config=config)
            return made


def asked(subject: str, call: Callable[[], T], scope: CancelScope) -> T:
    """Return what *call* does, which boto3 ends by itself, but perhaps long after *scope*.

    Raises:
        Route53Error: boto3 raised an error; the message starts with *subject*.
        Cancelled: *scope* ended.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped,unused-ignore]

    try:
        return bounded(call, scope)
    except ClientError as error:
        told = error.response.get("Error", {})
        code = str(told.get("Code") or "")
        words = f"{told.get('Message') or 'no reason given'} ({code})"
    except BotoCoreError as error:
        code, words = type(error).__name__, str(error)
    hint = f" ({_HINTS[code]})" if code in _HINTS else ""
    raise Route53Error(f"{subject}: Amazon says: {printable(words, 500)}{hint}", code=code)


def _text(secret: str | None) -> str | None:
    return None if secret is None else str(secret)
