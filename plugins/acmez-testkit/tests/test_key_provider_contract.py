"""Good key providers keep the contract; for each rule there is one that breaks it, and is caught."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from acmez_testkit.contracts import KeyProviderContract
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from acmez import AcmezError, Secret, hookimpl
from acmez.acme import SigningKey
from acmez.acme.jws import PrivateKey
from acmez.protocols import KeyProvider

KEPT: dict[str, PrivateKey] = {}


@dataclass
class GoodKeys:
    """Keys in memory.

    Attributes:
        pin: nobody needs it.
        reachable: whether they can be had.
    """

    name: ClassVar[str] = "in-memory"

    pin: Secret
    reachable: bool = True

    def get(self, purpose: str) -> PrivateKey:
        if not self.reachable:
            raise AcmezError(f"{purpose}: the store cannot be reached")
        return KEPT.setdefault(purpose, self.new(purpose))

    def new(self, purpose: str) -> PrivateKey:
        return ec.generate_private_key(ec.SECP256R1())


class NewKeys(GoodKeys):
    def get(self, purpose: str) -> PrivateKey:
        return self.new(purpose)


class Offering:
    """A plugin with one key provider."""

    def __init__(self, provider: type[KeyProvider]) -> None:
        self.provider = provider

    @hookimpl
    def acmez_key_providers(self) -> Iterator[type[KeyProvider]]:
        yield self.provider


class InMemory(KeyProviderContract[Any]):
    """The contract for keys in memory."""

    component: type[Any] = GoodKeys

    @property
    def plugin(self) -> object:  # type: ignore[override]
        return Offering(self.component)

    def make(self) -> Any:
        return self.component(Secret("not-a-real-pin"))

    def make_failing(self) -> Any:
        return self.component(Secret("not-a-real-pin"), reachable=False)


@pytest.fixture(autouse=True)
def empty_store() -> Iterator[None]:
    KEPT.clear()
    yield
    KEPT.clear()


class TestKeptKeys(InMemory):
    pass


class TestNewKeys(InMemory):
    component = NewKeys
    keeps = False
    test_a_failure_is_told_in_words = None  # type: ignore[assignment]  # nothing can go wrong


class RsaKeys(GoodKeys):
    def new(self, purpose: str) -> PrivateKey:
        return rsa.generate_private_key(65537, 2048)


class EdwardsKeys(GoodKeys):
    def new(self, purpose: str) -> PrivateKey:
        return ed25519.Ed25519PrivateKey.generate()


class LongKeys(GoodKeys):
    def new(self, purpose: str) -> PrivateKey:
        return ec.generate_private_key(ec.SECP521R1())


@pytest.mark.parametrize("component", [RsaKeys, EdwardsKeys, LongKeys])
def test_every_kind_of_key_that_signs_is_good(component: type[Any]):
    suite = contract(component)
    suite.test_its_key_signs_requests_to_the_ca("account")
    suite.test_its_key_signs_certificate_requests("certificate")
    suite.test_its_keys_are_not_shown()


class OddCurve(GoodKeys):
    def new(self, purpose: str) -> PrivateKey:
        return ec.generate_private_key(ec.SECP256K1())


class Mixed:
    """A key in hardware that was set up wrongly: its public key is of another one."""

    def __init__(self, signing: PrivateKey, shown: PrivateKey) -> None:
        self.signing, self.shown = signing, shown

    def __getattr__(self, name: str) -> Any:
        return getattr(self.signing, name)

    def public_key(self) -> Any:
        return self.shown.public_key()


ec.EllipticCurvePrivateKey.register(Mixed)


class MixedKeys(GoodKeys):
    def new(self, purpose: str) -> PrivateKey:
        return Mixed(super().new(purpose), super().new(purpose))  # type: ignore[return-value]


class RefusesCertificates(GoodKeys):
    def get(self, purpose: str) -> PrivateKey:
        if purpose != "account":
            raise AcmezError("no such key")
        return super().get(purpose)


class Prints(GoodKeys):
    def get(self, purpose: str) -> PrivateKey:
        key = super().get(purpose)
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(encoding, form, serialization.NoEncryption())
        logging.getLogger("prints").debug("the key is %s", pem.decode())
        return key


class ShowsItsPin(GoodKeys):
    def __repr__(self) -> str:
        return str(self.pin)


class Succeeds(GoodKeys):
    def get(self, purpose: str) -> PrivateKey:
        return self.new(purpose)


class RaisesItsPin(GoodKeys):
    def get(self, purpose: str) -> PrivateKey:
        raise OSError(f"the store refused {self.pin}")


class KeepsForNobody(GoodKeys):
    def next(self, ca: str) -> PrivateKey | None:
        return None

    def keep_next(self, key: PrivateKey) -> None:
        KEPT["next"] = key


BROKEN: Sequence[tuple[str, type[Any], str]] = [
    ("its_further_methods_are_as_acmez_calls_them", KeepsForNobody, r"keep_next\(ca, key\), but has keep_next\(key\)"),
    ("its_further_methods_are_as_acmez_calls_them", KeepsForNobody, r"it has no drop_next\(ca\)"),
    ("its_key_signs_requests_to_the_ca", OddCurve, "'EC secp256k1' has no JWS algorithm"),
    ("its_key_signs_requests_to_the_ca", MixedKeys, "what the key for 'certificate' signs does not verify"),
    ("its_key_signs_certificate_requests", RefusesCertificates, "no such key"),
    ("the_second_key_is_the_same_or_new", NewKeys, "was another one the second time"),
    ("many_threads_can_use_it_at_once", NewKeys, "32 threads at once got 32 keys"),
    ("its_keys_are_not_shown", Prints, "the log shows a secret"),
    ("its_keys_are_not_shown", ShowsItsPin, "the repr of a provider that was used shows a secret"),
    ("a_failure_is_told_in_words", Succeeds, "get succeeded with the instance of make_failing"),
    ("a_failure_is_told_in_words", RaisesItsPin, "the OSError that get raised shows a secret"),
]


def contract(component: type[Any]) -> InMemory:
    suite: InMemory = type("Contract", (InMemory,), {"component": component})()
    return suite


@pytest.mark.parametrize(
    ("rule", "component", "message"), [pytest.param(*each, id=f"{each[0]}-{each[1].__name__}") for each in BROKEN]
)
def test_a_provider_that_breaks_a_rule_is_caught(rule: str, component: type[Any], message: str):
    check = getattr(contract(component), f"test_{rule}")
    arguments = {"purpose": "certificate"} if inspect.signature(check).parameters else {}
    with pytest.raises(Exception, match=message) as caught:
        check(**arguments)
    assert isinstance(caught.value, AssertionError | AcmezError)


def test_every_rule_for_key_providers_is_broken_by_somebody():
    own = {name.removeprefix("test_") for name in vars(KeyProviderContract) if name.startswith("test_")}
    assert {rule for rule, _, _ in BROKEN} == own


def test_a_key_that_never_changes_is_not_new():
    suite = contract(GoodKeys)
    suite.keeps = False  # type: ignore[misc]
    with pytest.raises(AssertionError, match="was the same the second time"):
        suite.test_the_second_key_is_the_same_or_new("account")


def test_a_key_that_cannot_be_exported_is_good():
    class InHardware(Mixed):
        def private_bytes(self, *_: object) -> bytes:
            raise RuntimeError("never")

    class Hardware(GoodKeys):
        def new(self, purpose: str) -> PrivateKey:
            key = super().new(purpose)
            return InHardware(key, key)  # type: ignore[return-value]

    suite = contract(Hardware)
    suite.test_its_keys_are_not_shown()
    assert SigningKey(suite.make().get("account")).algorithm == "ES256"
