"""Fixtures that any test may use."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of stored reference figures."""
    return Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and large reference figures that lies beside a developer's checkout."""
    folder = Path(__file__).parents[2] / "shared"
    if not (folder / "samples").is_dir():
        pytest.skip(f"needs the samples beside the checkout ({folder}), which only developers have")
    return folder
