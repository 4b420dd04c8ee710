"""email-reply-00: a mail from the CA, and a reply from the address to prove (RFC 8823).

The token comes in two parts, one in the subject of the mail, one in the challenge. A mail proves nothing
unless its DKIM or S/MIME signature was verified (§3.1); that is for the mail server or a library of its own,
and none of these functions does it.
"""

from __future__ import annotations

import email
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import format_datetime, getaddresses

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.errors import InputError
from acmez.acme.identifier import IdentifierType
from acmez.acme.wire import b64decode, b64encode

from .reading import key_authorization, malformed, require_type, thumbprint

# Quoted local parts and SMTPUTF8 are left out: what passes can be put into a header as it is.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}\Z")
_MESSAGE_ID = re.compile(r"\s*(<[\x21-\x3b\x3d\x3f-\x7e]{1,900}>)\s*\Z")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,512}=*\Z")


@dataclass(frozen=True, slots=True)
class ChallengeMail:
    """What matters of the CA's mail.

    Attributes:
        token_part1: from the subject, padded if the CA padded it.
        reply_to: the address to answer to.
        message_id: with its angle brackets, if there is one.
    """

    token_part1: str = field(repr=False)
    reply_to: str
    message_id: str | None = None


def sender(challenge: Challenge) -> str:
    """Return the address that the CA's mail must come from.

    Raises:
        InputError: the challenge is of another type.
        MalformedAnswer: it names no usable address.
    """
    require_type(challenge, ChallengeType.EMAIL_REPLY_00)
    value = challenge.raw.get("from")
    if not isinstance(value, str) or not _ADDRESS.match(value):
        raise malformed(challenge, "from: expected a mail address")
    return value


def token_part1(subject: str) -> str:
    """Return the first part of the token from a subject, be it folded or encoded (RFC 2047).

    Raises:
        InputError: the subject is not "ACME: " and base64url.
    """
    try:
        decoded = str(make_header(decode_header(subject)))
    except (MessageError, LookupError, ValueError):
        raise InputError("subject: its encoding cannot be read") from None
    # White space within the token is to be ignored (§3.1).
    keyword, _, token = "".join(decoded.split()).partition(":")
    if keyword.upper() != "ACME" or not _TOKEN.match(token):
        raise InputError("subject: expected 'ACME: ' and a token in base64url")
    return token


def read_mail(mail: bytes, challenge: Challenge) -> ChallengeMail:
    """Check the CA's mail against *challenge* and return what matters of it.

    Args:
        mail: as it was received; its signature must have been verified before.

    Raises:
        InputError: it is not the mail for this challenge: From, To, Auto-Submitted or Subject is missing, there
            twice, or not as it must be (§3.1).
        MalformedAnswer: the challenge cannot be used.
    """
    expected, recipient = sender(challenge), _recipient(challenge)
    message = email.message_from_bytes(mail, policy=policy.compat32)
    origins = _addresses(message, "From")
    if len(origins) != 1 or not _same_address(origins[0], expected):
        raise InputError(f"mail: From is not {expected!r}, as the challenge says")
    if not any(_same_address(address, recipient) for address in _addresses(message, "To")):
        raise InputError(f"mail: it is not to {recipient!r}")
    if _single(message, "Auto-Submitted").partition(";")[0].strip().lower() != "auto-generated":
        raise InputError("mail: Auto-Submitted is not 'auto-generated'")
    reply_to = next(iter(_addresses(message, "Reply-To") if "Reply-To" in message else origins), "")
    if not _ADDRESS.match(reply_to):
        raise InputError("mail: Reply-To is not a usable address")
    message_id = _MESSAGE_ID.match(str(message.get("Message-ID", "")))
    return ChallengeMail(
        token_part1=token_part1(_single(message, "Subject")),
        reply_to=reply_to,
        message_id=message_id[1] if message_id else None,
    )


def response(challenge: Challenge, token_part1: str, *, decode_parts: bool = False) -> str:
    """Return the digest that the reply carries; treat it as a secret.

    Args:
        token_part1: from the subject of the CA's mail.
        decode_parts: join the bytes of both parts instead of their text. RFC 8823 can be read both ways; RFC 9891
            says text of its like-built token, and acme4j does it so, while acmez for Go joins bytes.

    Raises:
        InputError: the challenge is of another type or carries no thumbprint, or *token_part1* is not base64url.
        MalformedAnswer: the challenge's token cannot be used.
    """
    require_type(challenge, ChallengeType.EMAIL_REPLY_00)
    if not _TOKEN.match(token_part1):
        raise InputError("first part of the token: not base64url")
    second = key_authorization(challenge).partition(".")[0]
    token = _joined(challenge, token_part1, second) if decode_parts else token_part1 + second
    return b64encode(hashlib.sha256(f"{token}.{thumbprint(challenge)}".encode()).digest())


def reply(
    challenge: Challenge, mail: ChallengeMail, *, decode_parts: bool = False, now: datetime | None = None
) -> EmailMessage:
    """Return the reply to the CA's mail; whatever submits it must sign it with DKIM or S/MIME (§3.2).

    Args:
        mail: from `read_mail`.
        decode_parts: as in `response`.
        now: with a time zone; the current time by default.

    Raises:
        InputError: the challenge is of another type or carries no thumbprint.
        MalformedAnswer: its token or identifier cannot be used.
    """
    # Unfolded: Python would write a long token or message ID as an encoded word, which CAs may not read.
    message = EmailMessage(policy=policy.SMTP.clone(max_line_length=998))
    message["From"] = _recipient(challenge)
    message["To"] = mail.reply_to
    message["Subject"] = f"Re: ACME: {mail.token_part1}"
    message["Date"] = format_datetime(datetime.now(UTC) if now is None else now)
    if mail.message_id is not None:
        message["In-Reply-To"] = mail.message_id
    message.set_content(response_body(response(challenge, mail.token_part1, decode_parts=decode_parts)), cte="7bit")
    return message


def response_body(digest: str) -> str:
    """Return the text of the reply, its lines ended by CRLF (§3.2)."""
    return f"-----BEGIN ACME RESPONSE-----\r\n{digest}\r\n-----END ACME RESPONSE-----\r\n"


def _recipient(challenge: Challenge) -> str:
    identifier = challenge.identifier
    if identifier.type != IdentifierType.EMAIL or not _ADDRESS.match(identifier.value):
        raise malformed(challenge, "the identifier is not a usable mail address")
    return identifier.value


def _joined(challenge: Challenge, first: str, second: str) -> str:
    try:
        part2 = b64decode(second)
    except InputError as exc:
        raise malformed(challenge, f"token: {exc}") from None
    return b64encode(b64decode(first) + part2)


def _single(message: Message, name: str) -> str:
    values = message.get_all(name, [])
    if len(values) != 1:
        raise InputError(f"mail: expected one {name} field, got {len(values)}")
    return str(values[0])


def _addresses(message: Message, name: str) -> list[str]:
    value = _single(message, name)
    try:
        return [address for _, address in getaddresses([value])]
    except RecursionError:  # comments within comments
        raise InputError(f"mail: {name} cannot be read") from None


def _same_address(one: str, other: str) -> bool:
    local, _, domain = one.rpartition("@")
    other_local, _, other_domain = other.rpartition("@")
    return local == other_local and domain.lower() == other_domain.lower()
