"""device-attest-01: an attestation statement of a device (draft-ietf-acme-device-attest-09).

The attestation object itself is CBOR, `{"fmt": text, "attStmt": map}`, and comes from the device, its TPM or
the vendor's service. It must cover `signed_data`.
"""

from __future__ import annotations

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.errors import InputError
from acmez.acme.wire import JSONObject, b64encode

from .reading import key_authorization, require_type


def signed_data(challenge: Challenge, *, token_only: bool = False) -> bytes:
    """Return what the attestation must cover; treat it as a secret.

    Args:
        token_only: the token alone, for attestation by a third party that must not learn the account key;
            Apple's devices put the SHA-256 of it into the certificate.

    Raises:
        InputError: the challenge is of another type, or carries no thumbprint.
        MalformedAnswer: its token cannot be used.
    """
    require_type(challenge, ChallengeType.DEVICE_ATTEST_01)
    whole = key_authorization(challenge)
    return (whole.partition(".")[0] if token_only else whole).encode()


def payload(att_obj: bytes) -> JSONObject:
    """Return what is sent to the challenge's URL.

    Args:
        att_obj: the attestation object, CBOR.

    Raises:
        InputError: it is empty.
    """
    if not att_obj:
        raise InputError("attestation object: it is empty")
    return {"attObj": b64encode(att_obj)}
