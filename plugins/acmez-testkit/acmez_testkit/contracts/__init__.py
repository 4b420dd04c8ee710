"""What acmez expects of the components of plugins, as test classes to inherit.

    class TestExampleSolver(SolverContract):
        def make(self) -> ExampleSolver:
            return ExampleSolver(api_token=Secret("not-a-real-token"))

Each contract is a suite of rules; the class gets all of them. Unlike the embedded CA it uses acmez itself:
`pip install acmez-testkit[contracts]`.
"""

from __future__ import annotations

from .checking import check_plugin
from .component import ComponentContract
from .key_provider import KeyProviderContract
from .retry_policy import RetryPolicyContract
from .solver import SolverContract
from .waiter import WaiterContract

__all__ = [
    "ComponentContract",
    "KeyProviderContract",
    "RetryPolicyContract",
    "SolverContract",
    "WaiterContract",
    "check_plugin",
]
