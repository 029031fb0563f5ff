"""What every kind of test shares: the recorded input that lives beside the checkout, not in it."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded order flow, conformance streams, official examples; skips the test where they are absent."""
    folder = Path(os.environ.get("CAMBIST_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))
    # The recordings are large and not the project's own: a checkout alone has none, CI lays them beside it.
    if not folder.is_dir():
        pytest.skip(f"recorded data not found at {folder}; CAMBIST_SHARED_DATA may name another folder")
    return folder
