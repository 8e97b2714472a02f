"""A clock of the Redis process that can be set with libfaketime."""

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from times_dispatch.demo.redis_server import find_server

HOW_TO_INSTALL = "libfaketime is missing: apt-get install -y faketime (Debian, Ubuntu)"
_LIBRARIES = ("libfaketimeMT.so.1", "libfaketime.so.1")


def find_library() -> Path | None:
    """Return the path of libfaketime, if it is installed."""
    if sys.platform != "linux":
        return None
    folders = [Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-*"), Path("/usr/local/lib"), Path("/usr/lib64")]
    for name in _LIBRARIES:
        for folder in folders:
            if (library := folder / "faketime" / name).exists():
                return library
    return None


def is_required() -> bool:
    """Return whether a missing libfaketime is an error: in continuous integration no scenario may be skipped."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


class FakedClock:
    """The wall clock of a process, with an offset in seconds; the monotonic clock of the process has no offset."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="times-dispatch-clock-"))
        self._offset = self._folder / "offset"
        self.set(0)

    def set(self, offset_s: float) -> None:
        """Set the offset of the clock from the true time, in seconds; a negative offset is before the true time."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{offset_s:+g}\n", "ascii")
        new.rename(self._offset)  # the process must never read a partly written file

    def server(self) -> Path:
        """Return the path of an executable that runs the Redis server with this clock."""
        library = find_library()
        assert library, HOW_TO_INSTALL
        script = self._folder / find_server().name
        script.write_text(
            "#!/bin/sh\n"
            f"LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={self._offset} FAKETIME_NO_CACHE=1 "
            f'FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 exec {find_server()} "$@"\n',
            "utf-8",
        )
        script.chmod(stat.S_IRWXU)
        return script

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
