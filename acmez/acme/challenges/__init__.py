"""What answers a challenge: pure functions, one module per challenge type.

    record = challenges.txt_record(challenge)             # dns-01, dns-account-01, dns-persist-01
    answer = challenges.http_01.answer(challenge)
    shown = challenges.tls_alpn_01.certificate(challenge)

Nothing here talks to a network or keeps state. The challenge comes from the server and is checked before
anything is built from it: what cannot be used raises `MalformedAnswer`, a call that makes no sense `InputError`.

dns-persist-01 is experimental. bp-nodeid-00 (RFC 9891) is not supported.
"""

from __future__ import annotations

from . import (
    device_attest_01,
    dns_01,
    dns_account_01,
    dns_persist_01,
    email_reply_00,
    http_01,
    onion_csr_01,
    tkauth_01,
    tls_alpn_01,
)
from .dns import txt_record
from .email_reply_00 import ChallengeMail
from .http_01 import HttpAnswer
from .onion_csr_01 import OnionCaa, ServiceKey
from .tkauth_01 import TokenRequest
from .tls_alpn_01 import TlsAlpnCertificate
from .txt import TxtRecord

__all__ = [
    "ChallengeMail",
    "HttpAnswer",
    "OnionCaa",
    "ServiceKey",
    "TlsAlpnCertificate",
    "TokenRequest",
    "TxtRecord",
    "device_attest_01",
    "dns_01",
    "dns_account_01",
    "dns_persist_01",
    "email_reply_00",
    "http_01",
    "onion_csr_01",
    "tkauth_01",
    "tls_alpn_01",
    "txt_record",
]
