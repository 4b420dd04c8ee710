"""A fleet on a Dask cluster, one of whose workers is killed half way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest
from acmez_http_webroot import WebrootSolver

from acmez import Client, FileKey
from acmez.journal import Journal
from tests.pebble.crash_zone import serving_files
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.server import PebbleOptions

NAMES = [f"host-{number}.dask.test" for number in range(40)]

pytestmark = pytest.mark.filterwarnings("default")  # what Dask itself warns of is not ours to mend


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[distributed.LocalCluster]:
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=4,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
        silence_logs=50,
    ) as running:
        yield running


def test_every_certificate_is_issued_though_a_worker_is_killed(
    cluster: distributed.LocalCluster, pebble_factory: PebbleFactory, tmp_path: Path
):
    ca = pebble_factory(PebbleOptions(authz_reuse=0, orders_per_page=100))
    webroot = tmp_path / "webroot"
    webroot.mkdir()
    with (
        serving_files(webroot, ca.http_port),
        Client(
            ca.directory_url,
            solvers=[WebrootSolver(path=webroot)],
            account_key=FileKey(tmp_path / "account.pem"),
            trust=ca.trust,
            journal=tmp_path / "acmez.journal",
        ) as client,
        distributed.Client(cluster) as dask,
    ):
        client.register(terms_of_service_agreed=True)
        issued = []
        for each in client.obtain_many([[name] for name in NAMES], executor=dask.get_executor(), at_once=16):
            issued.append(each)
            each.result().write(tmp_path / "certs" / each.spec.names[0])
            if len(issued) == 15:
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        assert sorted(each.spec.names[0] for each in issued) == sorted(NAMES)
        account = client.acme.account(client.account())
        orders = [client.acme.order(account, url) for url in client.acme.orders(account)]
        assert {order.status for order in orders} == {"valid"}
        first: dict[str, str] = {}
        for order in orders:
            first.setdefault(str(order.identifiers[0]), order.url)
        assert {each.spec.names[0]: each.result().order_url for each in issued} == first
        # A task that was done, and whose result was about to be let go of, is done again.
        assert len(orders) <= 42
        assert client.sweep() == []
    assert not [path for path in webroot.rglob("*") if path.is_file()]
    with Journal(tmp_path / "acmez.journal") as journal:
        assert journal._file.read("SELECT * FROM orders", ()) == []
    assert not list((tmp_path / "acmez.journal.claims").iterdir())
