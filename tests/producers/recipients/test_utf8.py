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


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'sep=\t\r\nto\tname\r\n9876543210\t"Asha ਊ"\r\n'),
        ("a.txt", '\nto\tname\r\n9876543210\t"Asha ਊ"\r\n'),
        ("a.csv", 'to,name,x\n9876543210,Asha ਊ,"a\\"b"\n'),
        ("a.jsonl", '{"to":"9876543210","name":"Asha ਊ"}\n'),
    ],
)
def test_utf_16_with_a_byte_order_mark_is_read(write: WriteFile, encoding: str, name: str, content: str) -> None:
    file = open_recipients(write(name, ("\ufeff" + content).encode(encoding)))

    assert file.heading.names[:2] == ("to", "name")
    assert [row[:2] for chunk in file.chunks() for row in chunk.rows] == [["9876543210", "Asha ਊ"]]


@pytest.mark.parametrize("name", ["name", "names"])
def test_utf_16_is_read_over_the_end_of_a_block(write: WriteFile, name: str) -> None:
    row = ["9", "😀" * 1000]
    content = f"\ufeffto\t{name}\n" + 300 * f"{row[0]}\t{row[1]}\n"

    file = open_recipients(write("a.txt", content.encode("utf-16-le")))

    assert len(content) * 4 > BLOCK
    assert [list(cells) for chunk in file.chunks() for cells in chunk.rows] == 300 * [row]


@pytest.mark.parametrize("end", [b"9", b"\x3d\xd8", b"\x3d\xd8\n\0"])
def test_half_a_character_of_utf_16_is_refused(write: WriteFile, end: bytes) -> None:
    with pytest.raises(InputInvalid, match=r"a\.csv:\d: is damaged UTF-16 on this line or below: half a character"):
        open_recipients(write("a.csv", "\ufeffto\n98\n".encode("utf-16-le") + end))


def test_a_line_of_utf_16_without_end_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"a\.csv:2: is longer than 4,000,000 bytes"):
        open_recipients(write("a.csv", ("\ufeffto\n" + "9" * 4_100_000).encode("utf-16-le")))


def test_utf_32_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match=r"is UTF-32, not UTF-8; .* iconv -f UTF-32"):
        open_recipients(write("a.csv", "to\n98\n".encode("utf-32")))


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl"])
@pytest.mark.parametrize(("encoding", "named"), [("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")])
def test_utf_16_without_a_mark_is_recognised_by_its_nul_bytes(
    write: WriteFile, name: str, encoding: str, named: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        open_recipients(write(name, "to,name\n9876543210,आशा ©\n".encode(encoding)))

    assert "holds NUL bytes; is it UTF-16 without a mark? save it as UTF-8, or convert it" in str(refused.value)
    assert f"iconv -f {named} -t UTF-8 {name} > a.utf8" in str(refused.value)


@pytest.mark.parametrize(("encoding", "named"), [("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")])
def test_utf_16_without_a_mark_is_recognised_also_by_a_heading_in_hindi(
    write: WriteFile, encoding: str, named: str
) -> None:
    with pytest.raises(InputInvalid, match=f"iconv -f {named} -t UTF-8 a.csv > a.utf8.csv"):
        open_recipients(write("a.csv", "नंबर,नाम\n9876543210,आशा\n".encode(encoding)))


def test_a_heading_with_nul_bytes_is_refused(write: WriteFile) -> None:
    with pytest.raises(InputInvalid, match="the heading holds NUL bytes"):
        open_recipients(write("a.csv", b"to,na\0me\n98,Asha\n"))


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
