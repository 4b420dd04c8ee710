"""A real CA with terms of its own: external accounts, profiles, chains, replacements, slow and counted validation."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from acmez import CertificateSpec, Client, ExternalAccount, InputError, Polling, ProblemError, events
from acmez.acme.certificate import Chain
from acmez.acme.problem import ExternalAccountRequired
from acmez.acme.renewal import certificate_id
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.install import Binaries
from tests.pebble.server import Pebble, PebbleOptions, Profile
from tests.solvers import WatchingWebSolver, Web, assert_no_threads

MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
PROFILES = {"classic": Profile("90 days"), "shortlived": Profile("6 days", validity=518_400)}


def fresh(count: int = 1) -> list[str]:
    return [f"{secrets.token_hex(4)}.options.example" for _ in range(count)]


@pytest.fixture(scope="module")
def rich(pebble_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """A CA with profiles and two alternate chains."""
    options = PebbleOptions(alternate_roots=2, chain_length=2, profiles=PROFILES)
    with Pebble(tmp_path_factory.mktemp("rich"), options, pebble_binaries) as server:
        yield server


@pytest.fixture
def client(rich: Pebble) -> Iterator[Client]:
    """A registered client of the rich CA."""
    with registered(rich) as client:
        yield client


@contextmanager
def registered(pebble: Pebble, **options: object) -> Iterator[Client]:
    """Open a registered client with a solver; nothing may be left of both."""
    with ExitStack() as stack:
        web = stack.enter_context(Web(pebble.http_port))
        solver = WatchingWebSolver(web=web)
        client = Client(pebble.directory_url, solvers=[solver], trust=pebble.trust, **options)  # type: ignore[arg-type]
        stack.enter_context(client)
        client.register(terms_of_service_agreed=True)
        yield client
        assert not solver.left
    assert_no_threads()


def top_of(chain: Chain) -> str:
    return common_name(chain.certificates[-1].issuer)


def common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def root_of(pebble: Pebble, index: int) -> str:
    return common_name(x509.load_pem_x509_certificate(pebble.root_pem(index).encode()).subject)


def lifetime(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def test_an_external_account_is_bound(pebble_factory: PebbleFactory):
    pebble = pebble_factory(PebbleOptions(eab_keys={"customer-1": MAC_KEY}))
    with pytest.raises(ExternalAccountRequired), registered(pebble):
        pass
    with registered(pebble, external_account=ExternalAccount("customer-1", MAC_KEY)) as client:
        assert client.obtain(fresh()).leaf is not None


@pytest.mark.parametrize("key_id", ["customer-1", "nobody"])
def test_a_wrong_external_account_is_refused(pebble_factory: PebbleFactory, key_id: str):
    pebble = pebble_factory(PebbleOptions(eab_keys={"customer-1": MAC_KEY}))
    wrong = ExternalAccount(key_id, MAC_KEY[::-1])
    with pytest.raises(ProblemError), registered(pebble, external_account=wrong):
        pass


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_preferred_chain(rich: Pebble, client: Client, index: int):
    issued = client.obtain(fresh(), preferred_chain=root_of(rich, index))
    assert top_of(issued.chain) == root_of(rich, index)


def test_without_the_preferred_chain_the_default_one_does(rich: Pebble, client: Client):
    issued = client.obtain(fresh(), preferred_chain="ISRG Root X9")
    assert top_of(issued.chain) == root_of(rich, 0)
    assert len(issued.chain.certificates) == 3


@pytest.mark.parametrize(("profile", "days"), [("classic", 90), ("shortlived", 6)])
def test_a_profile(client: Client, profile: str, days: int):
    issued = client.obtain(fresh(), profile=profile)
    assert abs(lifetime(issued.leaf) - timedelta(days=days)) < timedelta(minutes=1)


def test_a_required_profile_that_is_not_offered(client: Client):
    with pytest.raises(InputError, match=r"'tlsclient' is not offered; profiles: classic, shortlived"):
        client.obtain(fresh(), profile="tlsclient")


def test_a_preferred_profile_that_is_not_offered(client: Client):
    spec = CertificateSpec(names=tuple(fresh()), profile="tlsclient", profile_required=False)
    assert client.obtain(spec).leaf is not None


@pytest.mark.parametrize("as_text", [False, True])
def test_a_certificate_replaces_another(client: Client, as_text: bool):
    names = fresh()
    old = client.obtain(names).leaf
    order = client.obtain(names, replaces=certificate_id(old) if as_text else old).order_url
    assert client.acme.order(client.account(), order).replaces == certificate_id(old)


def test_a_certificate_that_is_replaced_already_is_renewed_all_the_same(client: Client):
    names = fresh()
    old = client.obtain(names).leaf
    client.obtain(names, replaces=old)
    order = client.obtain(names, replaces=old).order_url
    assert client.acme.order(client.account(), order).replaces is None


@pytest.fixture
def foreign(pebble: Pebble) -> x509.Certificate:
    """A certificate of another CA."""
    with registered(pebble) as client:
        return client.obtain(fresh()).leaf


def test_a_certificate_of_another_ca_is_no_obstacle(foreign: x509.Certificate, client: Client):
    order = client.obtain(fresh(), replaces=foreign).order_url
    assert client.acme.order(client.account(), order).replaces is None


def test_a_ca_that_takes_its_time(pebble_factory: PebbleFactory):
    pebble = pebble_factory(PebbleOptions(va_sleep=1, retry_after_order=1, retry_after_authz=1))
    names = fresh(8)
    with registered(pebble) as client:
        assert len(client.obtain(names).leaf.extensions) > 0


@pytest.mark.parametrize("count", [1, 10, 100])
def test_requests_are_counted(pebble_factory: PebbleFactory, count: int):
    """Two for each name - its authorization, its challenge -, and a handful for the order and the nonces."""
    pebble = pebble_factory(PebbleOptions(nonce_reject=0, authz_reuse=0))
    seen: list[events.Event] = []
    patient = Polling(first=0.5)  # so that the count does not depend on how busy the machine is
    with registered(pebble, parallelism=10, polling=patient, on_event=seen.append) as client:
        client.obtain(fresh(count))
    requests = [event.exchange.operation for event in seen if isinstance(event, events.RequestFinished)]
    assert requests.count("authorization") == requests.count("challenge") == count
    assert len(requests) <= 2 * count + 8 + 10
