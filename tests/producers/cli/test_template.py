import json
from pathlib import Path

import pytest

from tests.kit.producers import SETTINGS, Run, WriteFile

NAMING = SETTINGS + '\n[registry]\ntemplates = "templates.toml"\n'
HEADING = "Template ID,Template Name,Header,Template Type,Template Content,Status\n"
GOOD = '1107161786534401928,Order shipped,TIMESM,Service Implicit,"Order {#var#} is\non its way",Approved\n'
PENDING = "1107161786534401929,Offer,TIMESM,Service Implicit,Sale,Pending\n"


@pytest.fixture
def named(run: Run, write: WriteFile) -> Run:
    """Settings that name a registry file, and a download."""
    write("dispatch.toml", NAMING)
    write("download.csv", HEADING + GOOD)
    return run


def test_an_import_writes_the_registry_and_campaigns_can_use_it(named: Run, write: WriteFile) -> None:
    done = named("template", "import", "download.csv")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["added     1", "          line 2: Order-shipped"]
    write("campaign.toml", 'name = "x"\nsender = "TIMESM"\ntemplate = "Order-shipped"\nvariables = ["{name}"]\n')
    checked = json.loads(named("check", "campaign.toml", "--recipients", "customers.csv", "--json").stdout)
    assert checked["samples"][0]["text"] == "Order Person 0 is\non its way"


def test_an_import_again_changes_nothing_and_one_with_another_text_does(named: Run, write: WriteFile) -> None:
    named("template", "import", "download.csv")
    before = Path("templates.toml").read_bytes()

    again = json.loads(named("template", "import", "download.csv", "--json").stdout)
    assert Path("templates.toml").read_bytes() == before
    write("download.csv", HEADING + GOOD.replace("its way", "the way"))
    changed = json.loads(named("template", "import", "download.csv", "--json").stdout)

    assert [(what, len(lines)) for what, lines in again.items() if lines] == [("unchanged", 1)]
    assert changed["changed"] == [{"line": 2, "name": "Order-shipped", "reason": "another text"}]
    assert "the way" in Path("templates.toml").read_text()


def test_a_dry_run_changes_nothing(named: Run) -> None:
    done = named("template", "import", "download.csv", "--dry-run")

    assert done.stdout.startswith("added     1")
    assert "Order-shipped" not in Path("templates.toml").read_text()


def test_refused_rows_are_listed_and_the_others_are_imported(named: Run, write: WriteFile) -> None:
    write("download.csv", HEADING + GOOD + PENDING)

    done = named("template", "import", "download.csv")

    assert done.exit_code == 1
    assert "          line 4: Offer: its status is Pending: only approved templates can be used" in done.stdout
    assert "Order-shipped" in Path("templates.toml").read_text()


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        (SETTINGS, (), "dispatch.toml: names no registry file; add these two lines:\n[registry]\n"),
        (NAMING, ("--sender", "NOBODY"), "--sender NOBODY: there is no such sender in the settings\n"),
        (NAMING.replace("500", "-1"), (), "dispatch.toml:8: senders.TIMESM.rate_per_s: must be above 0, is -1\n"),
    ],
)
def test_an_impossible_import_gets_a_message_and_exit_code_2(
    run: Run, write: WriteFile, settings: str, arguments: tuple[str, ...], message: str
) -> None:
    write("dispatch.toml", settings)
    write("download.csv", HEADING + GOOD)

    done = run("template", "import", "download.csv", *arguments)

    assert done.exit_code == 2
    assert done.stderr.startswith(message)


def test_a_mistake_in_the_registry_is_named_with_its_line(named: Run) -> None:
    named("template", "import", "download.csv")
    registry = Path("templates.toml")
    registry.write_text(registry.read_text().replace("TIMESM", "TIMESN"))

    done = named("template", "list")

    assert (done.exit_code, done.stderr.partition(": there is")[0]) == (
        2,
        "templates.toml:5: templates.Order-shipped.sender",
    )


def test_templates_are_listed(named: Run) -> None:
    named("template", "import", "download.csv")

    listed = json.loads(named("template", "list", "--json").stdout)
    table = named("template", "list", "--sender", "OTHERS").stdout

    assert [item["name"] for item in listed] == ["bill", "plain", "Order-shipped"]
    assert "plain" in table
    assert "bill" not in table


def test_check_lists_the_problems_of_each_template(run: Run, write: WriteFile) -> None:
    write(
        "dispatch.toml",
        SETTINGS.replace("OTHERS]", 'OTHERS]\nentity_id = "1234567890123456789"')
        + """
[templates.bad]
sender = "TIMESM"
content_id = "1107000000"
text = "Pay ₹{#numeric#} at evil.in, call {#cbn#} "
""",
    )

    done = run("template", "check")

    assert done.exit_code == 1
    assert [line for line in done.stdout.splitlines() if ": advice: " not in line] == [
        "bad: its content id has 10 digits, every known one has 19",
        "bad: from TIMESM it links to evil.in, which is not whitelisted (TRAI direction of 2024-08-20)",
        (
            "bad: from TIMESM it has a slot for callback numbers, and none are whitelisted: no value will fit "
            "(TRAI direction of 2024-08-20)"
        ),
        "bad: its text begins or ends with a blank or a line break: is that how it is registered?",
        "bad: ₹ (U+20B9 INDIAN RUPEE SIGN) makes all its messages UCS-2; Rs would not",
        "3 templates checked, 1 with problems",
    ]
    assert "bad: advice: it names neither the brand nor the header TIMESM (" in done.stdout
    assert run("template", "check", "bill").exit_code == 0
    assert run("template", "check", "bil").stderr == "there is no template bil; did you mean bill?\n"


def test_advice_alone_does_not_fail_the_check(run: Run) -> None:
    done = run("template", "check", "bill")

    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        (
            "bill: advice: 2 of its variables have no type: a new text needs {#alphanumeric#}, {#numeric#}, {#url#} or "
            "another type instead of {#var#} (TRAI direction of 2025-11-18, for texts registered since 2026-01-14; the "
            "portal of STPL keeps types apart)"
        ),
        "1 template checked, 0 with problems",
    ]


def test_a_column_of_the_download_can_be_named(named: Run, write: WriteFile) -> None:
    write("download.csv", (HEADING + GOOD).replace("Template Content", "Wording"))

    refused = named("template", "import", "download.csv")
    imported = named("template", "import", "download.csv", "--column", "content=wording")

    assert refused.exit_code == 2
    assert "--column content=NAME names it" in refused.stderr
    assert imported.stdout.startswith("added     1")


@pytest.mark.parametrize("column", ["words=body", "content", "content="])
def test_a_column_that_is_no_field_is_refused(named: Run, column: str) -> None:
    done = named("template", "import", "download.csv", "--column", column)

    assert done.exit_code == 2
    assert done.stderr.startswith(f"--column {column}: must be FIELD=NAME, and FIELD one of id, content, name")
