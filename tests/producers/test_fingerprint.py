import os
from pathlib import Path

import pytest

from producers.fingerprint import Fingerprint


def files(folder: Path, first: bytes = b"a", second: bytes = b"b") -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / "campaign.toml", folder / "customers.csv"]
    for path, content in zip(paths, (first, second), strict=True):
        path.write_bytes(content)
    return paths


def test_equal_contents_give_equal_digests_wherever_the_files_are(tmp_path: Path) -> None:
    here, there = Fingerprint(files(tmp_path / "here")), Fingerprint(files(tmp_path / "there"))

    assert here.digest() == there.digest()
    assert here.digest("salt") == there.digest("salt")


def test_another_content_order_or_salt_gives_another_digest(tmp_path: Path) -> None:
    contents = [(b"a", b"b"), (b"b", b"a"), (b"ab", b""), (b"", b"ab"), (b"a", b"b\n")]
    digests = {Fingerprint(files(tmp_path, *content)).digest() for content in contents}
    digests |= {Fingerprint(files(tmp_path)).digest(salt) for salt in ("1", "2")}

    assert len(digests) == len(contents) + 2


def test_a_fingerprint_matches_unchanged_files(tmp_path: Path) -> None:
    assert Fingerprint(files(tmp_path)).still_matches()


@pytest.mark.parametrize("what", ["grown", "same size", "same size and time", "put back", "touched", "gone"])
def test_a_fingerprint_does_not_match_a_file_that_is(tmp_path: Path, what: str) -> None:
    paths = files(tmp_path)
    fingerprint = Fingerprint(paths)
    before = paths[1].stat()

    match what:
        case "grown":
            paths[1].write_bytes(b"bb")
        case "same size" | "same size and time":
            paths[1].write_bytes(b"c")
        case "put back":
            paths[1].write_bytes(b"c")
            paths[1].write_bytes(b"b")
            while paths[1].stat().st_ctime_ns == before.st_ctime_ns:  # a file system's clock may tick slowly
                paths[1].touch()
        case "gone":
            paths[1].unlink()
    if what in ("same size and time", "put back"):
        os.utime(paths[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    elif what == "touched":
        os.utime(paths[1], ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))

    assert not fingerprint.still_matches()
