"""Refuses to start a process in a test without the marker ``processes``, because ``make fast`` runs this test."""

import subprocess
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import pytest

_start = subprocess.Popen.__init__


def _refuse(*_: object, **__: object) -> None:
    pytest.fail("this test starts a process: mark it with @pytest.mark.processes")


def refusing_processes() -> AbstractContextManager[Any]:
    return patch.object(subprocess.Popen, "__init__", _refuse)


def allowing_processes() -> AbstractContextManager[Any]:
    """Allow a fixture to start the server that all tests of the run, or of a file, share."""
    return patch.object(subprocess.Popen, "__init__", _start)
