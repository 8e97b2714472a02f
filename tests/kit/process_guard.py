"""Refuses to start a process in a test without the marker ``processes``, because ``make fast`` runs such tests.

The reader process of workbooks and Parquet files is allowed: it ends with the test. Starting its program takes some
tenths of a second of CPU, mostly for imports. ``make fast`` therefore forks the reader process from the process of the
tests, which has imported everything already; all other runs start the program.
"""

import os
import resource
import subprocess
import sys
import warnings
from contextlib import AbstractContextManager
from typing import Any, NoReturn
from unittest.mock import patch

import pytest

from producers.recipients.reader import child
from producers.recipients.reader.process import CHILD

_start = subprocess.Popen.__init__
_MAX_DESCRIPTORS = 4096


def _refuse(popen: subprocess.Popen[Any], arguments: Any, *others: Any, **options: Any) -> None:
    if isinstance(arguments, list) and CHILD in arguments:
        _start(popen, arguments, *others, **options)
        return
    popen.returncode = 0  # an object without a started process would raise in its destructor
    pytest.fail("this test starts a process: mark it with @pytest.mark.processes")


def _fork_reader(popen: subprocess.Popen[Any], arguments: Any, *others: Any, **options: Any) -> None:
    if isinstance(arguments, list) and CHILD in arguments:
        with warnings.catch_warnings():
            # From Python 3.12 on, a fork beside threads warns; the reader uses nothing that another thread may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            _start(popen, arguments, *others, **(options | {"preexec_fn": _serve}))
        return
    _refuse(popen, arguments, *others, **options)


def _serve() -> NoReturn:
    """Serve as the reader process instead of starting its program. Runs in the fork, with its pipes as 0 and 1."""
    os.closerange(3, _MAX_DESCRIPTORS)  # also the pipe at which Popen waits for the start of the program
    patch.object(resource, "setrlimit").start()  # the memory of the tests is also the fork's: no limit has a meaning
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # pytest has replaced stdin
    try:
        child.main()
    except BaseException:  # noqa: BLE001  # the program reports what it does not expect in the same way
        sys.excepthook(*sys.exc_info())
    os._exit(1)


def refusing_processes(*, fork_readers: bool) -> AbstractContextManager[Any]:
    return patch.object(subprocess.Popen, "__init__", _fork_reader if fork_readers else _refuse)


def allowing_processes() -> AbstractContextManager[Any]:
    """Allow a fixture to start the server that all tests of the run or of a file share."""
    return patch.object(subprocess.Popen, "__init__", _start)
