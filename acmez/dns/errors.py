"""What goes wrong when name servers are asked.

AcmezError
└── DnsError                 an answer that is of no use
    ├── NoAnswerError        nothing came back in time
    │   └── UnreachableError this machine has no way to the server
    ├── ApiError             a provider refused; see acmez.dns.api
    ├── SignatureError       the signatures of question and answer do not fit (RFC 8945)
    └── ZoneError            the zone of a name, or its servers, cannot be found
"""

from __future__ import annotations

from acmez.errors import AcmezError


class DnsError(AcmezError):
    """A name server gave no answer that is of use."""


class NoAnswerError(DnsError):
    """Nothing came back in time."""


class UnreachableError(NoAnswerError):
    """This machine has no way to the server, as without IPv6."""


class SignatureError(DnsError):
    """The signatures of question and answer do not fit (RFC 8945 §5.2).

    Attributes:
        code: "BADKEY", "BADSIG", "BADTIME" or "BADTRUNC": the server refuses ours; "UNSIGNED": the answer has none;
            "WRONG": the answer's own is wrong.
        rcode: of the answer, "" if it is not known.
    """

    def __init__(self, message: str, *, code: str, rcode: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.rcode = rcode


class ZoneError(DnsError):
    """The zone of a name, or its servers, cannot be found."""
