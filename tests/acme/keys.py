"""The keys of RFC 7515, 7638 and 8037, whose signatures and thumbprints are published."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(octets(text), "big")


#: RFC 7515 A.3
P256 = ec.EllipticCurvePrivateNumbers(
    number("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"),
    ec.EllipticCurvePublicNumbers(
        number("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        number("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        ec.SECP256R1(),
    ),
).private_key()

#: RFC 7638 §3.1
RSA_PUBLIC = rsa.RSAPublicNumbers(
    number("AQAB"),
    number(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    ),
).public_key()

#: RFC 8037 A.1
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(octets("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
