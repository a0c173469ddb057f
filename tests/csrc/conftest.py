"""Fixtures for the tests of the C kernels."""

import numpy as np
import pytest

from fastnn.engine import native


@pytest.fixture(params=native.isas())
def isa(request):
    """Run the test once on every instruction set; the best one is selected again afterwards."""
    native.select_isa(request.param)
    yield request.param
    native.select_isa()


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)
