"""The code of the last release, from the git history of this clone."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

LAST_RELEASE: Final = "d19ab83a8911f698a3c9bfb4feb2d6cb08bbc4e0"
"""The commit whose ledger, streams and messages this version must be able to read."""
_ROOT: Final = Path(__file__).parents[2]


def missing() -> str:
    """Return why the code of the last release is not available; empty if this clone has it."""
    if not shutil.which("git"):
        return "the code of the last release needs git"
    if _git("cat-file", "-e", f"{LAST_RELEASE}^{{commit}}").returncode:
        return f"this clone has no commit {LAST_RELEASE[:7]}, the last release: git fetch --unshallow"
    return ""


@contextmanager
def old_tree() -> Iterator[Path]:
    """Unpack the code of the last release into a folder, which exists inside the ``with`` block."""
    with TemporaryDirectory(prefix="times-dispatch-old-") as folder:
        archive = Path(folder) / "old.tar"
        done = _git("archive", "--format=tar", f"--output={archive}", LAST_RELEASE)
        if done.returncode:
            raise OSError(done.stderr.decode())
        shutil.unpack_archive(archive, folder, filter="data")
        archive.unlink()
        yield Path(folder)


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [shutil.which("git") or "git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=120)
