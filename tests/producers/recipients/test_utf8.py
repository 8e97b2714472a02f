import pytest

from producers.errors import InputInvalid
from producers.recipients import open_recipients
from tests.kit.producers import WriteFile

BLOCK = 1 << 20


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_another_encoding_is_refused_with_byte_line_and_advice(write: WriteFile, name: str) -> None:
    path = write(name, b"to,name\n98,Ravi\n99,Andr\xe9\n")

    with pytest.raises(InputInvalid) as refused:
        open_recipients(path)

    assert str(refused.value) == (
        f"{path}:3: is not UTF-8: byte 0xE9 at position 23; save it as UTF-8, or convert it, if it is WINDOWS-1252: "
        f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > {path.stem}.utf8{path.suffix}"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_recognised_by_its_byte_order_mark(write: WriteFile, encoding: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""

    with pytest.raises(InputInvalid, match=r"is UTF-16, not UTF-8; .* iconv -f UTF-16"):
        open_recipients(write("a.csv", mark + "to,name\n98,Asha\n".encode(encoding)))


def test_utf_16_without_a_mark_is_recognised_by_its_nul_bytes(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match="holds NUL bytes; is it UTF-16"):
        open_recipients(write("a.csv", "to,name\n98,Asha\n".encode("utf-16-le")))


@pytest.mark.parametrize("at", [BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1])
def test_the_position_is_right_around_the_end_of_a_block(write: WriteFile, at: int) -> None:
    text = b"to\n" + b"9\n" * BLOCK
    # A character of three bytes, of which the last is missing.
    broken = text[:at] + "आ".encode()[:2] + b"\n" + text[at:]

    with pytest.raises(InputInvalid) as refused:
        open_recipients(write("a.csv", broken))

    assert f"byte 0xE0 at position {at};" in str(refused.value)
    assert f"a.csv:{broken[:at].count(10) + 1}: " in str(refused.value)


@pytest.mark.parametrize("at", [BLOCK - 2, BLOCK - 1, BLOCK])
def test_a_character_over_the_end_of_a_block_is_fine(write: WriteFile, at: int) -> None:
    text = "to\n" + "9\n" * ((at - 4) // 2) + "9" * (1 + at % 2) + "आ\n"
    assert len(text.encode()) == at + 4

    assert open_recipients(write("a.csv", text)).heading.names == ("to",)


def test_a_character_that_the_end_of_the_file_cuts_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"a\.csv:2: is not UTF-8: byte 0xE0 at position 3"):
        open_recipients(write("a.csv", b"to\n\xe0\xa4"))
