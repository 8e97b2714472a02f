"""Refuses to start a process in a test without the marker ``processes``, because ``make fast`` runs such tests.

The reader process of workbooks and Parquet files is allowed: it starts in a tenth of a second, and ends with the test.
"""

import subprocess
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import pytest

from producers.recipients.reader.process import CHILD

_start = subprocess.Popen.__init__


def _refuse(popen: subprocess.Popen[Any], arguments: Any, *others: Any, **options: Any) -> None:
    if isinstance(arguments, list) and CHILD in arguments:
        _start(popen, arguments, *others, **options)
        return
    popen.returncode = 0  # an object without a started process would raise in its destructor
    pytest.fail("this test starts a process: mark it with @pytest.mark.processes")


def refusing_processes() -> AbstractContextManager[Any]:
    return patch.object(subprocess.Popen, "__init__", _refuse)


def allowing_processes() -> AbstractContextManager[Any]:
    """Allow a fixture to start the server that all tests of the run or of a file share."""
    return patch.object(subprocess.Popen, "__init__", _start)
