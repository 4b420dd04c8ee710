"""Names and certificate requests, checked before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from .acme.errors import InputError
from .acme.identifier import Identifier, IdentifierType
from .acme.jws import PrivateKey

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_ADDRESS_LIKE = re.compile(r"[0-9.]+\Z")


def identifiers(names: Iterable[str]) -> tuple[Identifier, ...]:
    """Return the identifiers of *names*: A-labels in lower case, addresses in RFC 5952 text, each once.

    Raises:
        InputError: some are not names that a certificate can be for; one line each.
    """
    if isinstance(names, str):
        raise InputError(f"names: expected a list, got the text {names!r} (did you mean [{names!r}]?)")
    found: dict[Identifier, None] = {}
    problems: list[str] = []
    for name in names:
        try:
            found.setdefault(identifier(name))
        except InputError as exc:
            problems.append(str(exc))
    if problems:
        raise InputError("\n".join(problems))
    if not found:
        raise InputError("names: at least one name is needed")
    return tuple(found)


def identifier(name: str) -> Identifier:
    """Return the identifier of one name or address.

    Raises:
        InputError: it is neither; says why and what to write instead.
    """
    if not isinstance(name, str):
        raise InputError(f"{name!r}: expected a name, got {type(name).__name__}")
    text = name.strip()
    address = _address(text)
    if address is not None:
        return Identifier(IdentifierType.IP, address)
    return Identifier(IdentifierType.DNS, _dns_name(name, text))


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None


def _dns_name(name: str, text: str) -> str:
    if not text:
        raise InputError(f"{name!r}: the name is empty")
    if "/" in text or ":" in text:
        host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text, flags=re.IGNORECASE).partition("/")[0].partition(":")[0]
        raise InputError(f"{name!r}: not a host name" + (f" (did you mean {host!r}?)" if host else ""))
    if "@" in text:
        raise InputError(f"{name!r}: not a host name (did you mean {text.rpartition('@')[2]!r}?)")
    base = text.removeprefix("*.").removesuffix(".")
    if "*" in base:
        raise InputError(f"{name!r}: a wildcard is '*.' in front of a name, once")
    ascii_name = _checked(name, _to_ascii(name, base))
    if text.startswith("*."):
        if "." not in ascii_name:
            raise InputError(f"{name!r}: a wildcard needs a domain of at least two labels")
        return f"*.{ascii_name}"
    return ascii_name


def _checked(name: str, ascii_name: str) -> str:
    for label in ascii_name.split("."):
        if not _LABEL.match(label):
            raise InputError(f"{name!r}: {label!r} is not a valid label (1 to 63 of a-z 0-9 -, no '-' at its ends)")
    if len(ascii_name) > 253:
        raise InputError(f"{name!r}: longer than 253 characters")
    if _ADDRESS_LIKE.match(ascii_name):
        raise InputError(f"{name!r}: neither an IP address nor a host name")
    return ascii_name


def _to_ascii(name: str, base: str) -> str:
    if base.isascii() and "xn--" not in base.lower():
        return base.lower()
    import idna

    try:
        return idna.encode(base, uts46=True, std3_rules=False, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as exc:
        raise InputError(f"{name!r}: not a valid internationalized name: {exc}") from None


def build_request(key: PrivateKey, subjects: Sequence[Identifier]) -> x509.CertificateSigningRequest:
    """Return a certificate request for *subjects*, all of them in the subject alternative name.

    Raises:
        InputError: an identifier type has no place in a request that acmez builds; bring your own.
    """
    names = x509.SubjectAlternativeName([_general_name(subject) for subject in subjects])
    # No common name: CAs take names from the SAN, and long ones do not fit into a common name.
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(names, critical=False)
    return builder.sign(key, _digest(key))


def _general_name(subject: Identifier) -> x509.GeneralName:
    match subject.type:
        case IdentifierType.DNS:
            return x509.DNSName(subject.value)
        case IdentifierType.IP:
            return x509.IPAddress(ipaddress.ip_address(subject.value))
        case IdentifierType.EMAIL:
            return x509.RFC822Name(subject.value)
        case _:
            raise InputError(f"{subject}: identifiers of type {subject.type!r} need a CSR of your own")


def _digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def load_request(given: bytes | str | x509.CertificateSigningRequest) -> x509.CertificateSigningRequest:
    """Return the certificate request that the caller made: PEM, DER, or the object itself.

    Raises:
        InputError: it cannot be read, or its signature is wrong.
    """
    if isinstance(given, x509.CertificateSigningRequest):
        request = given
    else:
        data = given.encode() if isinstance(given, str) else given
        try:
            pem = data.lstrip().startswith(b"-----")
            request = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
        except ValueError as exc:
            raise InputError(f"csr: neither PEM nor DER of a certificate request: {exc}") from None
    if not request.is_signature_valid:
        raise InputError("csr: its signature does not fit its key")
    return request


def request_identifiers(request: x509.CertificateSigningRequest) -> tuple[Identifier, ...]:
    """Return what a certificate request is for, common name first if the SAN does not hold it.

    Raises:
        InputError: a name is malformed, of a kind that ACME has no identifier for, or there is none.
    """
    names = [str(attribute.value) for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    emails: list[str] = []
    for general_name in _alternative_names(request):
        match general_name:
            case x509.DNSName(value=value):
                names.append(value)
            case x509.IPAddress(value=value):
                names.append(str(value))
            case x509.RFC822Name(value=value):
                emails.append(value)
            case _:
                raise InputError(f"csr: {general_name!r}: ACME has no identifier for this kind of name")
    found = dict.fromkeys(identifiers(names) if names else ())
    found.update(dict.fromkeys(Identifier(IdentifierType.EMAIL, email) for email in emails))
    if not found:
        raise InputError("csr: it holds no name")
    return tuple(found)


def _alternative_names(holder: x509.CertificateSigningRequest | x509.Certificate) -> Sequence[x509.GeneralName]:
    try:
        return list(holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
    except ValueError as exc:
        raise InputError(f"its subject alternative name cannot be read: {exc}") from None


def certificate_names(certificate: x509.Certificate) -> frozenset[tuple[str, str]]:
    """Return the identifiers in a certificate's SAN, as `Identifier.key`; the common name counts for nothing."""
    keys: set[tuple[str, str]] = set()
    for general_name in _alternative_names(certificate):
        match general_name:
            case x509.DNSName(value=value):
                keys.add(Identifier(IdentifierType.DNS, value).key)
            case x509.IPAddress(value=value):
                keys.add(Identifier(IdentifierType.IP, str(value)).key)
            case x509.RFC822Name(value=value):
                keys.add(Identifier(IdentifierType.EMAIL, value).key)
            case _:
                pass  # what device attestation adds is the CA's business
    return frozenset(keys)
