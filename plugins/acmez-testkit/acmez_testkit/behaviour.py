"""What the embedded CA does: every knob a test may turn, each with a default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ALGORITHMS = ("RS256", "ES256", "ES384", "ES512", "EdDSA")
CHALLENGE_TYPES = ("http-01", "dns-01", "tls-alpn-01", "dns-account-01")


@dataclass(frozen=True)
class Behaviour:
    """How one `EmbeddedCA` behaves; times are in seconds."""

    # Where validations look
    http_port: int = 80
    """Port from which http-01 fetches, standing in for port 80."""
    tls_port: int = 443
    """Port to which tls-alpn-01 connects, standing in for port 443."""
    resolver: tuple[str, int] | None = None
    """DNS server (address, port) to ask; None: names are 127.0.0.1 and TXT come from `txt_records`."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Address of a name or IP identifier, overriding whatever the resolver says."""
    loopback_only: bool = True
    """Refuse to validate anything whose address is not a loopback address."""
    challenge_types: tuple[str, ...] = CHALLENGE_TYPES
    """Challenge types offered, where the identifier permits them."""
    validation_attempts: int = 2
    """How often each challenge is checked; all have to succeed, as from several perspectives."""
    validation_delay: float = 0.0
    """How long a challenge is `processing` before it is checked."""
    validation_timeout: float = 5.0
    """How long one connection or DNS query of a validation may take."""
    leave_failed_pending: bool = False
    """A failed challenge stays `pending` with an `error` and can be tried again, as step-ca does."""

    # Accounts
    external_accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Key identifier -> base64url MAC key; not empty: an external account binding is required."""
    terms_of_service: str | None = "https://acmez-testkit.invalid/terms/v1"
    """Terms that every account has to agree to; None: there are none."""
    signature_algorithms: tuple[str, ...] = ALGORITHMS
    """JWS algorithms accepted from account keys."""
    min_rsa_bits: int = 2048
    """Smallest RSA modulus accepted, in account keys and in CSRs."""
    max_contacts: int = 10
    """How many contacts an account may name."""

    # Orders
    profiles: Mapping[str, str] = field(default_factory=dict)
    """Certificate profiles: name -> description; the first one is the default."""
    rejected_names: frozenset[str] = frozenset()
    """Identifiers for which newOrder and newAuthz answer `rejectedIdentifier`."""
    caa_refused_names: frozenset[str] = frozenset()
    """Identifiers whose order becomes invalid at finalize, with a `caa` problem."""
    refuse_redundant_names: bool = False
    """Refuse a name that a wildcard of the same order covers, as Boulder does."""
    refuse_validity: bool = False
    """Refuse notBefore and notAfter as malformed, as Boulder does."""
    max_names: int = 100
    """How many identifiers an order may have."""
    new_authz: bool = True
    """Offer newAuthz (pre-authorization)."""
    renewal_info: bool = True
    """Offer renewalInfo (RFC 9773)."""
    reuse_authorizations: bool = False
    """Use an account's valid authorizations again in its next orders."""
    reuse_orders: bool = False
    """Answer newOrder with the account's unfinished order for the same identifiers, as Boulder does."""
    orders_per_page: int = 50
    """How many URLs one page of the orders list has."""
    orders_as_array: bool = False
    """Answer the orders list as a bare JSON array, as step-ca does."""
    order_lifetime_seconds: float = 7 * 86400
    """How long an unfinished order lives."""
    authorization_lifetime_seconds: float = 30 * 86400
    """How long an authorization lives."""

    # Issuance
    async_finalize: bool = False
    """Finalize answers `processing` and issues in the background."""
    processing_seconds: float = 0.1
    """How long an order is `processing` when `async_finalize` is set."""
    certificate_lifetime_seconds: int = 90 * 86400
    """Lifetime of a certificate whose order names no notAfter."""
    alternate_roots: int = 1
    """How many alternate chains there are besides the default one."""
    chain_length: int = 1
    """How many intermediates a chain has, at least one."""

    # Answers
    refuse_unknown_members: bool = True
    """Refuse unknown, null and empty members of a payload; False: ignore unknown and null ones (RFC 8555 §7.3)."""
    retry_after: tuple[int | str | None, int | str | None] = (None, 1)
    """Retry-After of (a pending authorization, a processing order): seconds, or a text sent as it is."""
    retry_after_as_date: bool = False
    """Send the seconds of `retry_after` in the HTTP-date form."""
    renewal_retry_after: int | str | None = 6 * 3600
    """Retry-After of renewalInfo."""
    nonce_reject: float = 0.0
    """Share of good nonces that are rejected all the same, between 0 and 1."""
    seed: int = 0
    """Seed of everything that is random in the CA's behaviour (not of its keys, nonces and tokens)."""
    body_limit: int = 50_000
    """Largest request body, in bytes."""
    keep_alive_seconds: float = 60.0
    """How long an idle connection is kept open."""
    port: int = 0
    """Port of the API on 127.0.0.1; 0: a free one."""
    public_url: str | None = None
    """Origin the API gives itself ("https://localhost:1234") when a proxy of the test stands before it."""

    def __post_init__(self) -> None:
        """Raise ValueError for what no CA could do."""
        if self.chain_length < 1:
            raise ValueError(f"chain_length: {self.chain_length!r} is less than 1")
        if self.alternate_roots < 0:
            raise ValueError(f"alternate_roots: {self.alternate_roots!r} is negative")
        if self.validation_attempts < 1:
            raise ValueError(f"validation_attempts: {self.validation_attempts!r} is less than 1")
        if not 0 <= self.nonce_reject <= 1:
            raise ValueError(f"nonce_reject: {self.nonce_reject!r} is not between 0 and 1")
        for kind in self.challenge_types:
            if kind not in CHALLENGE_TYPES:
                raise ValueError(f"challenge_types: unknown type {kind!r}")
