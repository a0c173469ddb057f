"""What the tests of the data sets share."""

import os
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("FASTNN_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    """No FASTNN_DATA, no proxy, and an empty cache, whose folder is returned."""
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fastnn"


@pytest.fixture
def real_data(monkeypatch):
    """Set FASTNN_DATA to the folder with the real data sets, and return it."""
    if not (REAL_DATA / "mnist").is_dir():
        pytest.skip(f"no data sets in {REAL_DATA}; set FASTNN_DATA")
    monkeypatch.setenv("FASTNN_DATA", str(REAL_DATA))
    return REAL_DATA
