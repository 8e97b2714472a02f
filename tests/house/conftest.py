"""The checks of the files run without garbage collections."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def without_collections() -> Iterator[None]:
    """Collect no garbage: the syntax trees of all files stay, and each collection would look at all of them again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
