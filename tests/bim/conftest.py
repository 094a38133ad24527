"""The kernels under test."""

from __future__ import annotations

import pytest
from hypothesis import settings

from ledger.adapters.bim_native import best_kernel
from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import FingerprintKernel

# The same examples in every run; a new kind of example is a change of the tests.
settings.register_profile("bim", derandomize=True, database=None, deadline=None)


@pytest.fixture(scope="session")
def kernel() -> FingerprintKernel:
    """The one that this machine uses."""
    return best_kernel()


@pytest.fixture(scope="session")
def reference() -> FingerprintKernel:
    return ReferenceKernel()


@pytest.fixture(params=["best", "reference"])
def either(request: pytest.FixtureRequest) -> FingerprintKernel:
    """Each of the two, for small models."""
    return best_kernel() if request.param == "best" else ReferenceKernel()
