"""Plumbing: RFC 8555 and its extensions, one method per request. Usable without the porcelain.

client = acme.Client("https://acme-staging-v02.api.letsencrypt.org/directory")
account = client.new_account(acme.SigningKey(private_key), terms_of_service_agreed=True)
order = client.new_order(account, [acme.Identifier.dns("example.com")])
"""

from __future__ import annotations

from .account import Account, AccountStatus, KeyChangeError
from .authorization import Authorization, AuthorizationStatus
from .certificate import Chain, RevocationReason
from .challenge import Challenge, ChallengeStatus, ChallengeType
from .client import Client
from .delegation import Delegation
from .directory import Directory, Meta
from .errors import (
    AcmeError,
    Cancelled,
    ConnectError,
    DeadlineExceeded,
    InputError,
    LostAnswer,
    MalformedAnswer,
    PollTimeout,
    StateError,
    TransportError,
    UnsupportedError,
)
from .identifier import Identifier, IdentifierType
from .jws import ExternalAccount, PrivateKey, SigningKey
from .order import AutoRenewal, Order, OrderStatus
from .pace import OrderLimit
from .polling import Polling
from .problem import (
    AccountDoesNotExist,
    AlreadyReplaced,
    AlreadyRevoked,
    BadNonce,
    BadSignatureAlgorithm,
    Conflict,
    ErrorType,
    ExternalAccountRequired,
    InvalidProfile,
    OrderNotReady,
    Problem,
    ProblemError,
    RateLimited,
    RejectedIdentifier,
    UserActionRequired,
)
from .renewal import RenewalInfo, certificate_id, due, refuses_replaces
from .retry import DefaultRetry, Failure, FailureKind, RetryPolicy
from .scope import CancelScope
from .session import Exchange
from .transport import Response, Timeouts, Transport

__all__ = [
    "Account",
    "AccountDoesNotExist",
    "AccountStatus",
    "AcmeError",
    "AlreadyReplaced",
    "AlreadyRevoked",
    "Authorization",
    "AuthorizationStatus",
    "AutoRenewal",
    "BadNonce",
    "BadSignatureAlgorithm",
    "CancelScope",
    "Cancelled",
    "Chain",
    "Challenge",
    "ChallengeStatus",
    "ChallengeType",
    "Client",
    "Conflict",
    "ConnectError",
    "DeadlineExceeded",
    "DefaultRetry",
    "Delegation",
    "Directory",
    "ErrorType",
    "Exchange",
    "ExternalAccount",
    "ExternalAccountRequired",
    "Failure",
    "FailureKind",
    "Identifier",
    "IdentifierType",
    "InputError",
    "InvalidProfile",
    "KeyChangeError",
    "LostAnswer",
    "MalformedAnswer",
    "Meta",
    "Order",
    "OrderLimit",
    "OrderNotReady",
    "OrderStatus",
    "PollTimeout",
    "Polling",
    "PrivateKey",
    "Problem",
    "ProblemError",
    "RateLimited",
    "RejectedIdentifier",
    "RenewalInfo",
    "Response",
    "RetryPolicy",
    "RevocationReason",
    "SigningKey",
    "StateError",
    "Timeouts",
    "Transport",
    "TransportError",
    "UnsupportedError",
    "UserActionRequired",
    "certificate_id",
    "due",
    "refuses_replaces",
]
