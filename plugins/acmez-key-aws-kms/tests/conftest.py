from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3  # type: ignore[import-untyped]
import pytest

from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret-ACCESS-key",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NewKey = Callable[..., str]


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that speaks as AWS does."""
    folder: Path = tmp_path_factory.mktemp("moto")
    with ReservedPorts(1) as reserved:
        port = reserved.numbers[0]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with ServerProcess(command, folder / "log", {**os.environ, **CREDENTIALS}, folder) as server:
            server.wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=10).close())
            yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the credentials of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def admin(moto: str):
    return boto3.client("kms", endpoint_url=moto)


@pytest.fixture
def new_key(admin) -> NewKey:
    def make(spec: str = "ECC_NIST_P256", usage: str = "SIGN_VERIFY", alias: str = "") -> str:
        key_id: str = admin.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        if alias:
            admin.create_alias(AliasName=alias, TargetKeyId=key_id)
        return key_id

    return make
