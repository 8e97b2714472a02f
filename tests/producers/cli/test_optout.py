import json
from pathlib import Path

import pytest

from tests.kit.producers import Run, WriteFile


def count(run: Run) -> int:
    return int(json.loads(run("optout", "count", "--json").stdout)["numbers"])


def test_numbers_are_added_and_removed_however_they_are_written(run: Run) -> None:
    assert run("optout", "add", "9876543210", "+91 98765-43211").stdout == "2 added, 0 on the list already\n"
    assert run("optout", "add", "09876543210", "9876543212").stdout == "1 added, 1 on the list already\n"
    assert run("optout", "count").stdout == "3 numbers\n"
    assert run("optout", "remove", "919876543210", "9000000000").stdout == "1 removed, 1 not on the list\n"
    assert count(run) == 2


def test_an_invalid_number_adds_nothing_and_is_not_printed(run: Run) -> None:
    done = run("optout", "add", "9876543210", "12345")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("number 2 is ")
    assert "12345" not in done.stderr
    assert count(run) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "to\n9876543210\n+91 98765-43211\n"),
        ("a.csv", "name;Mobile Number\nAsha;9876543210\nRavi;9876543211\n"),
        ("a.txt", "9876543210\n9876543211\n"),
        ("a.jsonl", '{"msisdn": "9876543210"}\n{"msisdn": "919876543211"}\n'),
    ],
)
def test_a_list_is_imported_with_or_without_a_heading(run: Run, write: WriteFile, name: str, content: str) -> None:
    write(name, content)

    assert run("optout", "import", name).stdout == "2 added, 0 on the list already, 0 refused\n"
    assert run("optout", "import", name).stdout == "0 added, 2 on the list already, 0 refused\n"


def test_refused_rows_are_counted_by_reason_and_the_others_are_added(run: Run, write: WriteFile) -> None:
    write("a.csv", "to,x\n9876543210,\n,a\nabc,\n,b\n9876543211\n9876543212,c,d\n")

    done = run("optout", "import", "a.csv")

    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "2 added, 0 on the list already, 4 refused",
        "          2: number is empty (the first in line 3)",
        "          1: number contains characters that no phone number has (the first in line 4)",
        "          1: number has 3 cells, the heading has 2 (the first in line 7)",
    ]


def test_the_column_can_be_named(run: Run, write: WriteFile) -> None:
    write("a.csv", "who,tel\nAsha,9876543210\n")

    unnamed, named = run("optout", "import", "a.csv"), run("optout", "import", "a.csv", "--column", "tel", "--json")

    assert unnamed.exit_code == 2
    assert "a.csv:1: no column with numbers (named to, number, mobile" in unnamed.stderr
    assert json.loads(named.stdout) == {"added": 1, "known": 0, "forgotten": 0, "refused": {}}


def test_the_trail_has_one_entry_for_an_import_and_none_for_a_file_that_adds_nothing(
    run: Run, write: WriteFile
) -> None:
    write("wrong.csv", "to\n12345\n")
    write("a.csv", "to\n" + "".join(f"{9_000_000_000 + number}\n" for number in range(12_000)))

    assert run("optout", "import", "missing.csv").exit_code == 2
    assert run("optout", "import", "wrong.csv").exit_code == 1
    run("optout", "import", "a.csv")

    entries = json.loads(run("audit", "--json").stdout)
    assert [(entry["action"], entry["detail"]) for entry in entries] == [("opt-outs added", "from a.csv")]


def test_many_rows_are_imported_and_exported(run: Run, write: WriteFile) -> None:
    numbers = [f"91{9_000_000_000 + 7 * n}" for n in range(12_000)]
    write("a.csv", "to\n" + "\n".join(numbers) + "\n")

    assert run("optout", "import", "a.csv").stdout == "12,000 added, 0 on the list already, 0 refused\n"
    assert run("optout", "export", "out.csv").stdout == "12,000 numbers written to out.csv\n"

    heading, *exported = Path("out.csv").read_text("utf-8-sig").splitlines()
    assert (heading, sorted(exported)) == ("to", [f"+{number}" for number in numbers])
    assert Path("out.csv").stat().st_mode & 0o077 == 0


def test_the_list_is_exported_to_standard_output(run: Run) -> None:
    run("optout", "add", "9000000001")
    done = run("optout", "export", "-")
    assert (done.stdout, done.stderr) == ("to\n+919000000001\n", "1 number written to standard output\n")
    assert not Path("-").exists()


def test_numbers_of_all_countries_are_the_same_after_an_export_and_an_import(run: Run) -> None:
    numbers = ["+12025550123", "+447911123456", "+6581234567", "+919876543210", "+916581234567"]
    run("optout", "add", *numbers)
    run("optout", "export", "out.csv")
    run("optout", "remove", *numbers)

    done = run("optout", "import", "out.csv")

    assert done.stdout == "5 added, 0 on the list already, 0 refused\n"
    run("optout", "export", "again.csv")
    assert sorted(Path("again.csv").read_text().split()[1:]) == sorted(numbers)


def test_a_list_that_was_exported_without_plus_is_imported_but_for_what_may_be_two_numbers(
    run: Run, write: WriteFile
) -> None:
    write("a.csv", "to\n12025550123\n447911123456\n6581234567\n919876543210\n")

    done = run("optout", "import", "a.csv")

    assert done.stdout.splitlines() == [
        "3 added, 0 on the list already, 1 refused",
        "          1: number may be Indian or another country's: write +91 or + before it (the first in line 4)",
    ]
    run("optout", "export", "out.csv")
    assert sorted(Path("out.csv").read_text().split()[1:]) == ["+12025550123", "+447911123456", "+919876543210"]


def test_ten_digits_are_an_indian_number_where_no_number_has_its_code(run: Run, write: WriteFile) -> None:
    write("a.csv", "to\n6581234567\n9876543210\n")

    assert run("optout", "import", "a.csv").stdout == "2 added, 0 on the list already, 0 refused\n"
    run("optout", "export", "out.csv")
    assert sorted(Path("out.csv").read_text().split()[1:]) == ["+916581234567", "+919876543210"]


def test_in_other_lists_a_foreign_number_needs_a_plus(run: Run, write: WriteFile) -> None:
    write("a.csv", "to,name\n12025550123,Ann\n+12025550123,Ann\n")

    assert run("optout", "import", "a.csv").stdout.startswith("1 added, 0 on the list already, 1 refused\n")


def test_submit_suppresses_opted_out_numbers_and_counts_them(run: Run) -> None:
    run("optout", "add", "9000000001")

    text = run("submit", "campaign.toml", "--recipients", "customers.csv").stdout
    again = json.loads(run("submit", "campaign.toml", "--recipients", "customers.csv", "--again", "--json").stdout)

    assert "accepted  3 messages in 3 parts" in text
    assert "          1 suppressed: on the opt-out list" in text
    assert (again["accepted"], again["opted_out"]) == (3, 1)
