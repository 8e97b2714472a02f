"""Lets the tests of attacks measure what an attack costs, and not what the tests before it left."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _only_new_objects() -> Iterator[None]:
    """Let the garbage collector look only at objects that are made in the test.

    The collector looks at all objects of a process at once. In a process of tests, most are of other tests: looking at
    them takes up to 50 milliseconds, which would count as a stall of the attacked code.
    """
    gc.freeze()
    yield
    gc.unfreeze()
