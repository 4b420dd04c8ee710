"""The contract of key providers."""

from __future__ import annotations

import pytest
from acmez_key_aws_kms import AwsKmsKey
from acmez_testkit.contracts import KeyProviderContract

from .conftest import NewKey


class TestAwsKmsKey(KeyProviderContract[AwsKmsKey]):
    @pytest.fixture(autouse=True)
    def _key(self, moto: str, new_key: NewKey) -> None:
        self.url, self.key_id = moto, new_key()

    def make(self) -> AwsKmsKey:
        return AwsKmsKey(self.key_id, endpoint_url=self.url)

    def make_failing(self) -> AwsKmsKey:
        return AwsKmsKey("alias/none", endpoint_url=self.url)
