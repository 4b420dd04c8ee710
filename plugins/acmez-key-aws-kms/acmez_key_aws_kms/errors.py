"""What AWS says, in words."""

from __future__ import annotations

from acmez.errors import AcmezError

_WORDS = {
    "NotFoundException": "there is no such key in this region and account",
    "AccessDeniedException": "access denied: the key's policy has to allow kms:GetPublicKey and kms:Sign",
    "DisabledException": "the key is disabled",
    "KMSInvalidStateException": "the key is not enabled: it may be waiting for its deletion or its material",
    "InvalidKeyUsageException": "the key is not for signatures (key usage SIGN_VERIFY)",
    "UnsupportedOperationException": "the key is symmetric; a key pair for signatures is needed",
    "UnrecognizedClientException": "AWS does not know these credentials",
    "InvalidSignatureException": "AWS does not accept these credentials",
    "ExpiredTokenException": "the credentials have expired",
    "ThrottlingException": "AWS asks for fewer requests",
}


class AwsKmsError(AcmezError):
    """A key in AWS KMS cannot be used; the message starts with the key."""


def reason(error: Exception) -> str:
    """Return what happened; botocore's texts hold no credentials."""
    response: object = getattr(error, "response", None)
    if not isinstance(response, dict):
        return str(error)
    told = response.get("Error", {})
    code = str(told.get("Code", "unknown error"))
    return _WORDS.get(code) or f"{code}: {told.get('Message', '')}".removesuffix(": ")
