import os
import threading
from pathlib import Path

import pytest

from times_dispatch.bounded_file import read_bounded, read_bounded_text


def test_a_file_is_read_whole_up_to_the_bound(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a" * 200_000)
    assert read_bounded(file, max_bytes=200_000) == b"a" * 200_000
    with pytest.raises(OSError, match="it has more than 199,999 bytes"):
        read_bounded(file, max_bytes=199_999)


def test_line_ends_are_those_of_unix(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes("a\r\nb\rc\né\r\n".encode())
    assert read_bounded_text(file) == "a\nb\nc\né\n" == file.read_text("utf-8")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_without_an_end_is_refused(device: str) -> None:
    with pytest.raises(OSError, match="it has more than 1,000,000 bytes"):
        read_bounded(Path(device), max_bytes=1_000_000)


def test_a_pipe_to_which_nobody_writes_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"it is a pipe that gave nothing for 0\.05 s"):
        read_bounded(tmp_path / "pipe", pipe_timeout_s=0.05)


def test_a_pipe_gives_what_is_written_before_and_after_it_is_opened(tmp_path: Path) -> None:
    pipe, content = tmp_path / "pipe", b"secret" * 50_000
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        assert read_bounded(pipe) == content
    finally:
        writer.join(10)


def test_a_pipe_of_the_process_gives_its_content() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"a secret\n")
        os.close(writing)
        assert read_bounded_text(Path(f"/dev/fd/{reading}")) == "a secret\n"
    finally:
        os.close(reading)
