from pathlib import Path

import pytest
from redis.asyncio import Redis

from producers.errors import InputInvalid
from producers.opt_out_import import ImportResult, export_numbers, import_numbers
from tests.kit.producers import WriteFile
from times_dispatch.ledger.numbers.opt_outs import OptOuts


async def test_an_import_counts_added_known_and_refused_rows(write: WriteFile, redis: Redis) -> None:
    opt_outs = OptOuts(redis)
    await opt_outs.add(["919876543210"])
    path = write("a.csv", "name,Mobile\nAsha,9876543210\nRavi,9876543211\nTara,9876543211\nMeena,12\nX,12\n")

    result = await import_numbers(path, opt_outs)

    reason = "is not an Indian mobile number: ten digits, the first from six to nine"
    assert result == ImportResult(added=1, known=2, refused={reason: 2}, first_refused={reason: 5})


async def test_the_first_number_of_a_plain_list_is_imported_too(write: WriteFile, redis: Redis) -> None:
    result = await import_numbers(write("a.txt", "9876543210\n9876543211\n"), OptOuts(redis))

    assert (result.added, result.refused) == (2, {})


async def test_a_file_without_a_column_of_numbers_is_refused(write: WriteFile, redis: Redis) -> None:
    path = write("a.csv", "name,tel\nAsha,9876543210\n")

    with pytest.raises(InputInvalid, match=r"a\.csv:1: no column with numbers .* --column names it"):
        await import_numbers(path, OptOuts(redis))
    with pytest.raises(InputInvalid, match=r"a\.csv:1: no column named phone; its columns are name, tel"):
        await import_numbers(path, OptOuts(redis), column="phone")
    assert (await import_numbers(path, OptOuts(redis), column="tel")).added == 1


async def test_an_export_writes_every_number_with_a_plus(tmp_path: Path, redis: Redis) -> None:
    opt_outs = OptOuts(redis)
    await opt_outs.add(["919876543210", "12025550123"])

    assert await export_numbers(tmp_path / "out.csv", opt_outs) == 2

    heading, *numbers = (tmp_path / "out.csv").read_text("utf-8-sig").split()
    assert (heading, sorted(numbers)) == ("to", ["+12025550123", "+919876543210"])
