from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy

import pytest

from acmez.acme import Challenge, Identifier, InputError, MalformedAnswer
from acmez.acme.challenges import ChallengeMail, email_reply_00
from acmez.acme.wire import JSON
from tests.acme.challenges.making import make

PART1 = "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME="
PART2 = "DGyRejmCefe7v4NfDGDKfA"
# Of acme4j's test key.
THUMBPRINT = "1_nKJnlH9boVxdoO63T8zP7O2w42qZL4d6xj35Hy5aI"
DIGEST = "AjXW0h9_4YMP6Sv-9tKQNUrapI0us7ayBn0nCGOkUsk"
MAIL = b"""\
Auto-Submitted: auto-generated; type=acme
Date: Sat, 5 Dec 2020 10:08:55 +0100
Message-ID: <A2299BB.FF7788@example.org>
From: acme-generator@example.org
To: Alexey <alexey@example.com>
Reply-To: acme-validator@example.org
Subject: =?UTF-8?Q?ACME:_LgYemJLy3F1LDki=20JrdIGbEzyFJyOyf=20=206vBdyZ1TG3sME=3D?=
Content-Type: text/plain
MIME-Version: 1.0

This is an automatically generated ACME challenge for the address "alexey@example.com".
"""


def challenge(
    *,
    token: JSON = PART2,
    sender: JSON = "acme-generator@example.org",
    identifier: Identifier = Identifier("email", "alexey@example.com"),  # noqa: B008 - it is frozen
    thumbprint: str = THUMBPRINT,
) -> Challenge:
    return make("email-reply-00", identifier, token=token, thumbprint=thumbprint, members={"from": sender})


def without(field: bytes, replacement: bytes = b"") -> bytes:
    """Return the CA's mail with one header field replaced."""
    lines = MAIL.splitlines(keepends=True)
    return b"".join(replacement if line.startswith(field + b":") else line for line in lines)


def test_the_mail_of_acme4j_is_read():
    mail = email_reply_00.read_mail(MAIL, challenge())
    assert mail == ChallengeMail(PART1, "acme-validator@example.org", "<A2299BB.FF7788@example.org>")


def test_the_digest_of_acme4j():
    assert email_reply_00.response(challenge(), PART1) == DIGEST


@pytest.mark.parametrize(
    ("decode_parts", "digest"),
    [(True, "Fjt2SD7KoqSt3I6jwgg8ljjkP9Er7h1w0wF0UihvQIU"), (False, "gtzugYfQ1gO_Pi-ripWZTUtKP_xzPoQe-brDkSOvX5c")],
    ids=["bytes, as acmez does in Go", "text"],
)
def test_the_parts_are_joined_as_text_or_on_request_as_bytes(decode_parts: bool, digest: str):
    part1, part2 = "V4nE8NhYh6edBpfQTg5qqQ", "x6I65YvEk6xC4KV0QMvdJw"
    ours = challenge(token=part2, thumbprint="hC4xyXNn8ZDH4yrcp93Zj3qgQs7LyT_GUL45YD7IVMQ")
    assert email_reply_00.response(ours, part1, decode_parts=decode_parts) == digest


@pytest.mark.parametrize(
    "subject",
    [
        f"ACME: {PART1}",
        f"acme:{PART1}",
        f"ACME: {PART1[:20]}\r\n {PART1[20:]}",
        f"ACME:\t{PART1[:7]} {PART1[7:]}  ",
        "=?utf-8?B?QUNNRTogTGdZZW1KTHkzRjFMRGtpSnJkSUdiRXp5Rkp5T3lmNnZCZHlaMVRHM3NNRT0=?=",
        "ACME: =?us-ascii?Q?LgYemJLy3F1LDkiJrdIGbEzy?=\r\n =?us-ascii?Q?FJyOyf6vBdyZ1TG3sME=3D?=",
    ],
)
def test_a_subject_may_be_folded_and_encoded(subject: str):
    assert email_reply_00.token_part1(subject) == PART1


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "ACME",
        "ACME:",
        f"Re: ACME: {PART1}",
        "ACME: not/base64url",
        "ACME: =a",
        f"ACME: {'x' * 513}",
        "=?no-such-charset?Q?ACME:_abc?=",
        "=?utf-8?Q?ACME:_=FF?=",
        "=?utf-8?B?abc?=",
        "=?\xff?Q?ACME?=",
    ],
)
def test_any_other_subject_is_refused(subject: str):
    with pytest.raises(InputError, match="subject: "):
        email_reply_00.token_part1(subject)


@pytest.mark.parametrize(
    ("field", "replacement", "reason"),
    [
        (b"From", b"", "expected one From field, got 0"),
        (b"From", b"From: attacker@example.net\n", "From is not 'acme-generator@example.org'"),
        (b"From", b"From: acme-generator@example.org <attacker@example.net>\n", "From is not"),
        (b"From", b"From: ACME-generator@example.org\n", "From is not"),
        (b"From", b"From: acme-generator@example.org, attacker@example.net\n", "From is not"),
        (b"From", b"From: acme-generator@example.org\nFrom: attacker@example.net\n", "expected one From field, got 2"),
        (b"From", b"From: " + b"(" * 20_000 + b"\n", "From "),
        (b"To", b"To: somebody@example.com\n", "it is not to 'alexey@example.com'"),
        (b"Auto-Submitted", b"", "expected one Auto-Submitted field"),
        (b"Auto-Submitted", b"Auto-Submitted: no\n", "Auto-Submitted is not"),
        (b"Auto-Submitted", b"Auto-Submitted: auto-replied\n", "Auto-Submitted is not"),
        (b"Subject", b"Subject: Hello\n", "subject: expected 'ACME: '"),
        (b"Subject", b"Subject: ACME: abc\nSubject: ACME: def\n", "expected one Subject field, got 2"),
        (b"Subject", b"Subject: ACME: \xff\xfe\n", "subject: expected"),
        (b"Reply-To", b"Reply-To:\n", "Reply-To"),
        (b"Reply-To", b"Reply-To: nobody\n", "Reply-To"),
        (b"Reply-To", b'Reply-To: "a b"@example.org\n', "Reply-To"),
    ],
)
def test_a_mail_that_is_not_the_one_expected_is_refused(field: bytes, replacement: bytes, reason: str):
    with pytest.raises(InputError, match=reason):
        email_reply_00.read_mail(without(field, replacement), challenge())


def test_what_is_not_a_mail_is_refused():
    with pytest.raises(InputError, match="From"):
        email_reply_00.read_mail(b"\x00\xff\n\n", challenge())


def test_case_counts_in_front_of_the_at_sign_only():
    mail = without(b"From", b"From: The CA <acme-generator@EXAMPLE.org>\n")
    assert email_reply_00.read_mail(mail, challenge()).token_part1 == PART1


def test_without_reply_to_the_sender_gets_the_reply():
    assert email_reply_00.read_mail(without(b"Reply-To"), challenge()).reply_to == "acme-generator@example.org"


@pytest.mark.parametrize("field", [b"", b"Message-ID:\n", b"Message-ID: <a> <b>\n", b"Message-ID: a@b\n"])
def test_an_odd_message_id_is_left_out(field: bytes):
    mail = email_reply_00.read_mail(without(b"Message-ID", field), challenge())
    assert mail.message_id is None
    assert "In-Reply-To" not in email_reply_00.reply(challenge(), mail)


def test_the_reply_is_what_the_rfc_asks_for():
    mail = email_reply_00.read_mail(MAIL, challenge())
    sent = email_reply_00.reply(challenge(), mail, now=datetime(2026, 11, 20, 12, tzinfo=UTC)).as_bytes()
    assert sent.decode("ascii") == (
        "From: alexey@example.com\r\n"
        "To: acme-validator@example.org\r\n"
        f"Subject: Re: ACME: {PART1}\r\n"
        "Date: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
        "In-Reply-To: <A2299BB.FF7788@example.org>\r\n"
        'Content-Type: text/plain; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: 7bit\r\n"
        "MIME-Version: 1.0\r\n"
        "\r\n"
        "-----BEGIN ACME RESPONSE-----\r\n"
        f"{DIGEST}\r\n"
        "-----END ACME RESPONSE-----\r\n"
    )


def test_a_long_token_and_message_id_are_not_encoded():
    mail = ChallengeMail("x" * 200, "ca@example.org", f"<{'y' * 200}@example.org>")
    sent = email_reply_00.reply(challenge(), mail, decode_parts=True).as_bytes()
    assert f"Subject: Re: ACME: {'x' * 200}\r\n".encode() in sent
    assert f"In-Reply-To: <{'y' * 200}@example.org>\r\n".encode() in sent
    assert email.message_from_bytes(sent, policy=policy.default)["Subject"] == f"Re: ACME: {'x' * 200}"


def test_the_token_is_not_in_the_repr():
    assert PART1 not in repr(email_reply_00.read_mail(MAIL, challenge()))


@pytest.mark.parametrize("sender", [None, 7, "", "nobody", "a@b\r\nBcc: c@d", "a b@example.org"])
def test_a_challenge_that_names_no_sender_is_malformed(sender: JSON):
    with pytest.raises(MalformedAnswer, match="from: expected a mail address"):
        email_reply_00.sender(challenge(sender=sender))


@pytest.mark.parametrize("identifier", [Identifier("dns", "example.com"), Identifier("email", "a@b\r\nBcc: c@d")])
def test_only_a_mail_address_is_proved(identifier: Identifier):
    with pytest.raises(MalformedAnswer, match="not a usable mail address"):
        email_reply_00.read_mail(MAIL, challenge(identifier=identifier))


@pytest.mark.parametrize("part1", ["", "a/b", "=", "a b", "a\n"])
def test_a_first_part_outside_the_alphabet_is_refused(part1: str):
    with pytest.raises(InputError, match="first part of the token"):
        email_reply_00.response(challenge(), part1)


def test_parts_of_impossible_length_cannot_be_decoded():
    with pytest.raises(InputError, match="impossible length"):
        email_reply_00.response(challenge(), "abcde", decode_parts=True)
    with pytest.raises(MalformedAnswer, match="token: not base64url: impossible length"):
        email_reply_00.response(challenge(token="abcde"), PART1, decode_parts=True)


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'email-reply-00'"):
        email_reply_00.sender(make("dns-01"))
    with pytest.raises(InputError, match="'email-reply-00'"):
        email_reply_00.response(make("dns-01"), PART1)
