"""Route 53 as moto plays it on a loopback port, for every plugin that reaches it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import boto3  # type: ignore[import-untyped,unused-ignore]
import pytest

from acmez.dns.texts import quoted, unquoted

KEY = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI"}


class Route53:
    """Route 53 as moto plays it, on a loopback port."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = boto3.client("route53", endpoint_url=url, region_name="us-east-1", **KEY)
        self.ids: dict[str, str] = {}

    def reset(self) -> None:
        """Forget all zones, also those of other tests."""
        urlopen(Request(f"{self.url}/moto-api/reset", method="POST"), timeout=10).close()

    def add_zone(self, zone: str) -> None:
        made = self.client.create_hosted_zone(Name=zone, CallerReference=zone)
        self.ids[zone] = made["HostedZone"]["Id"]

    def put(self, zone: str, name: str, *values: str, ttl: int = 120) -> None:
        """Set the TXT records at a name."""
        records = [{"Value": value} for value in values]
        new = {"Name": name, "Type": "TXT", "TTL": ttl, "ResourceRecords": records}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": new}]}
        self.client.change_resource_record_sets(HostedZoneId=self.ids[zone], ChangeBatch=batch)

    def sets(self, zone: str) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=self.ids[zone])
        return [each for page in pages for each in page["ResourceRecordSets"]]

    def dump(self, zone: str) -> list[str]:
        return sorted(
            f"{each['Name']} {each['TTL']} {each['Type']} {record['Value']}"
            for each in self.sets(zone)
            for record in each["ResourceRecords"]
        )

    def ask(self, name: str, _kind: str = "TXT") -> list[str]:
        found = (each for zone in self.ids for each in self.sets(zone))
        return sorted(
            quoted(unquoted(record["Value"]))
            for each in found
            if (each["Name"], each["Type"]) == (f"{name}.", "TXT")
            for record in each["ResourceRecords"]
        )


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The URL of an AWS that moto plays."""
    server = pytest.importorskip("moto.server", reason="moto is not installed (pip install 'moto[server]')")
    from moto.route53.models import ChangeList

    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        # moto refuses to create what was created before, though the same batch deletes what is there now.
        patch.setattr(ChangeList, "__contains__", lambda *_: False)
        running.start()
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
        running.stop()


@pytest.fixture(autouse=True)
def nobodys_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let boto3 find nothing of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nothing = str(tmp_path_factory.getbasetemp() / "none")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, nothing)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
