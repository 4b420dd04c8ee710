"""Names and certificate requests, checked before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from .acme.errors import InputError
from .acme.identifier import Identifier, IdentifierType
from .acme.jws import PrivateKey
from .errors import CertificateError

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_MAX_NAME = 253
_MAX_TEXT = 1000  # what is longer does not shrink to a name, and is not worth the work

#: What reading a name or an extension raises; the library's own exceptions have no common base.
_UNREADABLE = (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


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
    """Return the identifier of one DNS name, wildcard or address.

    International names are mapped as UTS #46 says and written in A-labels; space around a name, the dot
    at its end and the brackets of an IPv6 address go.

    Raises:
        InputError: it is neither; says why and, where it can be guessed, what was meant.
    """
    if not isinstance(name, str):
        raise InputError(f"{name!r}: expected a name, got {type(name).__name__}")
    text = name.strip()
    if len(text) > _MAX_TEXT:
        raise InputError(f"{text[:40]!r}...: longer than {_MAX_NAME} characters")
    address = _address(name, text)
    if address is not None:
        return Identifier(IdentifierType.IP, address)
    return Identifier(IdentifierType.DNS, _dns_name(name, text))


def _address(name: str, text: str) -> str | None:
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ipaddress.IPv6Address(text[1:-1]) if bracketed else ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            bare = str(address).partition("%")[0]
            raise InputError(f"{name!r}: an address with a zone is no name (did you mean {bare!r}?)")
        if address.ipv4_mapped is not None:  # never seen on the wire (RFC 4291 §2.5.5.2), and has two spellings
            raise InputError(f"{name!r}: an IPv4 address in IPv6 form (did you mean '{address.ipv4_mapped}'?)")
    return str(address)


def _dns_name(name: str, text: str) -> str:
    _refuse_other_notations(name, text)
    base = text.removeprefix("*.")
    if "*" in base:
        raise InputError(f"{name!r}: a wildcard is '*.' in front of a name, once")
    labels = _ascii_labels(name, base)
    for label in labels:
        if not label:
            raise InputError(f"{name!r}: a label is empty (a dot too many)")
        if not _LABEL.match(label) or not _is_decodable(label):
            raise InputError(f"{name!r}: {label!r} is not a valid label (1 to 63 of a-z 0-9 - _, no '-' at its ends)")
    if labels[-1].isdigit():
        raise InputError(f"{name!r}: neither an IP address nor a host name")
    if base != text:
        if len(labels) < 2:
            raise InputError(f"{name!r}: a wildcard needs a domain of at least two labels")
        labels.insert(0, "*")
    ascii_name = ".".join(labels)
    if len(ascii_name) > _MAX_NAME:
        raise InputError(f"{name!r}: longer than {_MAX_NAME} characters")
    return ascii_name


def _refuse_other_notations(name: str, text: str) -> None:
    """Refuse a URL, an e-mail address, a port and the like, and tell the name that is in it."""
    if not text:
        raise InputError(f"{name!r}: the name is empty")
    if any(sign in text for sign in "/:@?#"):
        meant = _host_in(text)
        raise InputError(f"{name!r}: not a host name" + (f" (did you mean {meant!r}?)" if meant else ""))
    if len(text.replace(",", " ").split()) > 1:
        raise InputError(f"{name!r}: a name has no spaces or commas (give each name on its own)")


def _host_in(text: str) -> str | None:
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
        return identifier(host or "").value
    except ValueError:
        return None


def _ascii_labels(name: str, base: str) -> list[str]:
    if base.isascii():
        return base.lower().removesuffix(".").split(".")
    import idna

    try:
        mapped = idna.uts46_remap(base, std3_rules=False).removesuffix(".")
        # ASCII labels are taken as they are: IDNA has no place for the underscore of "_service.bücher.example".
        return [label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError) as exc:
        raise InputError(f"{name!r}: not a valid internationalized name: {exc}") from None


def _is_decodable(label: str) -> bool:
    """Whether an A-label stands for something; what the CA makes of it, an emoji say, is its business."""
    if not label.startswith("xn--"):
        return True
    punycode = label[4:]
    try:
        text = punycode.encode("ascii").decode("punycode")
        return not text.isascii() and text.encode("punycode").decode("ascii") == punycode
    except ValueError:
        return False


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
    try:
        match subject.type:
            case IdentifierType.DNS:
                return x509.DNSName(subject.value)
            case IdentifierType.IP:
                return x509.IPAddress(ipaddress.ip_address(subject.value))
            case IdentifierType.EMAIL:
                return x509.RFC822Name(subject.value)
    except ValueError as exc:
        raise InputError(f"{subject.value!r}: {exc}") from None
    raise InputError(f"{subject}: identifiers of type {str(subject.type)!r} need a CSR of your own")


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
        try:
            data = given.encode() if isinstance(given, str) else given
            # `openssl req -text` writes words in front of the PEM.
            pem = b"-----BEGIN" in data
            request = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
        except (ValueError, x509.InvalidVersion):
            raise InputError("csr: neither PEM nor DER of a certificate request") from None
    try:
        valid = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise InputError(f"csr: its signature cannot be checked: {exc}") from None
    if not valid:
        raise InputError("csr: its signature does not fit its key")
    return request


def request_identifiers(request: x509.CertificateSigningRequest) -> tuple[Identifier, ...]:
    """Return what a certificate request is for: its SAN and then its common name, each name once.

    A common name beside nothing but e-mail addresses is a person's, and names no host (RFC 8823 §3).

    Raises:
        InputError: names are malformed, not written as CAs compare them, of a kind that ACME has no
            identifier for, or there are none; one line each.
    """
    found: dict[Identifier, None] = {}
    problems: list[str] = []
    for general_name in _requested(request):
        try:
            found.setdefault(_requested_identifier(general_name))
        except InputError as exc:
            problems.append(f"csr: {exc}")
    if problems:
        raise InputError("\n".join(problems))
    if not found:
        raise InputError("csr: it holds no name")
    return tuple(found)


def _requested(request: x509.CertificateSigningRequest) -> Iterator[x509.GeneralName | str]:
    try:
        alternatives = _alternative_names(request)
        common_names = [str(item.value) for item in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except _UNREADABLE as exc:
        raise InputError(f"csr: its names cannot be read: {exc}") from None
    yield from alternatives
    if not alternatives or not all(isinstance(item, x509.RFC822Name) for item in alternatives):
        yield from common_names


def _requested_identifier(name: x509.GeneralName | str) -> Identifier:
    match name:
        case x509.IPAddress(value=value):
            return identifier(str(value))
        case x509.RFC822Name(value=value) if "@" in value:
            return Identifier(IdentifierType.EMAIL, value)
        case x509.DNSName(value=value) | str(value):
            found = identifier(value)
            if found.value != value.lower():
                # RFC 8555 §7.4 has the CA compare the request with the order, where this is another name.
                raise InputError(f"{value!r}: must be {found.value!r} in a certificate request")
            return found
        case _:
            raise InputError(f"{name!r}: ACME has no identifier for this kind of name")


def _alternative_names(holder: x509.CertificateSigningRequest | x509.Certificate) -> Sequence[x509.GeneralName]:
    try:
        return list(holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def certificate_names(certificate: x509.Certificate) -> frozenset[tuple[str, str]]:
    """Return the identifiers in a certificate's SAN, as `Identifier.key`; the common name counts for nothing.

    Raises:
        CertificateError: the certificate's extensions cannot be read.
    """
    try:
        alternatives = _alternative_names(certificate)
    except _UNREADABLE as exc:
        raise CertificateError(f"the certificate's names cannot be read: {exc}") from None
    keys: set[tuple[str, str]] = set()
    for general_name in alternatives:
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
