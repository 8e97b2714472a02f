import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.archive.errors import ArchiveDamaged
from times_dispatch.archive.numbers.number_filter import NumberFilter, may_hold

KEY = bytes(range(32))
ARCHIVE = "diwali01"
STORED_CHUNK = 1_024 + 16


def written(numbers: Sequence[str], messages: int | None = None) -> io.BytesIO:
    numbers_filter, file = NumberFilter(len(numbers) if messages is None else messages), io.BytesIO()
    numbers_filter.add(numbers)
    numbers_filter.write(file, data_key=KEY, archive=ARCHIVE)
    return file


def in_row(count: int, first: int = 919_800_000_000) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def holds(file: io.BytesIO, number: str, *, data_key: bytes = KEY, archive: str = ARCHIVE) -> bool:
    return may_hold(file, number, data_key=data_key, archive=archive)


@given(st.lists(st.integers(min_value=1_000_000, max_value=999_999_999_999_999).map(str), max_size=2_000))
def test_a_number_that_is_there_is_never_missed(numbers: list[str]) -> None:
    file = written(numbers)
    assert all(holds(file, number) for number in numbers)


def test_more_numbers_than_foreseen_are_never_missed() -> None:
    numbers = in_row(2_000)
    file = written(numbers, messages=0)
    assert all(holds(file, number) for number in numbers)


def test_of_other_numbers_nearly_none_is_taken_for_one_of_the_archive() -> None:
    file = written(in_row(20_000))
    mistaken = sum(holds(file, number) for number in in_row(10_000, first=919_900_000_000))
    assert mistaken < 30, "seven in ten thousand are expected"


def test_the_filter_of_no_message_holds_nothing() -> None:
    assert not holds(written([]), "919876543210")


def test_a_search_reads_one_chunk_however_many_messages_there_are() -> None:
    class CountedFile(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1, /) -> bytes:
            content = super().read(size)
            self.read_bytes += len(content)
            return content

    file = CountedFile(written(in_row(50_000)).getvalue())
    assert len(file.getvalue()) == -(-50_000 // 512) * STORED_CHUNK
    assert holds(file, "919800012345")
    assert file.read_bytes == STORED_CHUNK


def test_the_filter_shows_nothing_and_is_another_one_under_each_key() -> None:
    numbers, file, other = NumberFilter(1), io.BytesIO(), io.BytesIO()
    numbers.add(["919876543210"])
    numbers.write(file, data_key=KEY, archive=ARCHIVE)
    numbers.write(other, data_key=KEY[::-1], archive=ARCHIVE)
    assert all(count < 40 for count in (content.count(b"\0") for content in (file.getvalue(), other.getvalue())))
    assert file.getvalue() != other.getvalue()


@pytest.mark.parametrize("other", [{"data_key": KEY[::-1]}, {"archive": "another1"}])
def test_the_filter_of_another_archive_is_refused(other: dict[str, str | bytes]) -> None:
    with pytest.raises(ArchiveDamaged, match="its filter of numbers was changed"):
        may_hold(written(["919876543210"]), "919876543210", **({"data_key": KEY, "archive": ARCHIVE} | other))  # type: ignore[arg-type]


def test_a_filter_that_was_changed_cut_or_put_together_anew_is_refused() -> None:
    number, content = "919800000007", written(in_row(1_000)).getvalue()
    chunks = [content[at : at + STORED_CHUNK] for at in range(0, len(content), STORED_CHUNK)]
    assert len(chunks) == 2
    changed = [
        b"",
        content[:100],
        chunks[0],
        chunks[1] + chunks[0],
        content + chunks[0],
        bytes([content[0] ^ 1])
        + content[1:STORED_CHUNK]
        + bytes([content[STORED_CHUNK] ^ 1])
        + content[STORED_CHUNK + 1 :],
    ]
    for each in changed:
        with pytest.raises(ArchiveDamaged):
            holds(io.BytesIO(each), number)
