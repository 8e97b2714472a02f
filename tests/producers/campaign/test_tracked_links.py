from datetime import UTC, datetime
from pathlib import Path

import pytest

from producers.campaign.file import Campaign
from producers.draft import Draft
from producers.errors import InputInvalid
from tests.kit.producers import SETTINGS, WriteFile, load_settings
from times_dispatch.ledger.model import LinkTarget
from times_dispatch.links.codes import placeholder

NOW = datetime(2026, 11, 8, 4, 30, tzinfo=UTC)
PREFIX = "go.brand.in/TIMESM/"
WITH_LINKS = SETTINGS.replace("rate_per_s = 500\n", 'rate_per_s = 500\nlinks = ["go.brand.in/TIMESM/"]\n') + (
    '\n[links]\nurl = "go.brand.in"\n'
)
FILE = """\
name = "bills"
sender = "TIMESM"
template = "bill"
variables = ["{name}", "{offer}"]
links = { offer = "https://shop.example/{amount}?u={name|you}" }
"""


def read(write: WriteFile, file: str = FILE, settings: str = WITH_LINKS) -> Campaign:
    return Campaign(write("campaign.toml", file), load_settings(write("dispatch.toml", settings)))


def mistake(write: WriteFile, file: str = FILE, settings: str = WITH_LINKS) -> str:
    with pytest.raises(InputInvalid) as invalid:
        read(write, file, settings)
    return str(invalid.value)


def test_the_plan_holds_the_targets_and_the_beginning_of_the_links(write: WriteFile) -> None:
    links = read(write).plan(NOW).tracked_links

    assert links
    assert (links.prefix, links.has_opt_out) == (PREFIX, False)
    assert links.targets == [LinkTarget("offer", ["https://shop.example/", "?u=", ""], [0, 1])]


def test_a_batch_holds_a_link_of_full_length_and_the_values_of_its_target(write: WriteFile, tmp_path: Path) -> None:
    write("campaign.toml", FILE)
    write("people.csv", "to,name,amount\n9876543210,Asha,50\n9876543211,,70\n9876543212,Ravi,..\n")
    settings = load_settings(write("dispatch.toml", WITH_LINKS))
    draft = Draft(tmp_path / "campaign.toml", tmp_path / "people.csv", settings=settings)

    with draft.read(rejects=False) as row_pass:
        [batch] = row_pass.batches(10)

    assert batch.slots == [["Asha"], [PREFIX + placeholder(0)]]  # the second row has no name, the third only dots
    assert batch.link_values == [["50"], ["Asha"]]
    assert len(batch.slots[1][0]) == 30


def test_a_text_may_name_links_too(write: WriteFile, tmp_path: Path) -> None:
    write(
        "campaign.toml",
        FILE.replace('variables = ["{name}", "{offer}"]', 'text = "Dear {name}, your bill is {offer}. - TIMESM"'),
    )
    write("people.csv", "to,name,amount\n9876543210,Asha,50\n")
    settings = load_settings(write("dispatch.toml", WITH_LINKS))
    draft = Draft(tmp_path / "campaign.toml", tmp_path / "people.csv", settings=settings)

    with draft.read(rejects=False) as row_pass:
        [batch] = row_pass.batches(10)

    assert batch.slots == [["Asha"], [PREFIX + placeholder(0)]]


def test_a_link_must_be_whitelisted(write: WriteFile) -> None:
    reason = mistake(write, settings=WITH_LINKS.replace("go.brand.in/TIMESM/", "go.brand.in/OTHERS/"))
    assert "campaign.toml:5: links: go.brand.in/TIMESM/ is not whitelisted" in reason


def test_the_settings_must_have_a_domain_for_links(write: WriteFile) -> None:
    assert "needs a domain in the settings" in mistake(write, settings=SETTINGS)


def test_a_link_must_stand_in_a_text(write: WriteFile) -> None:
    assert "links.offer: is in no text: write {offer}" in mistake(write, FILE.replace("{offer}", "Rs 5"))


@pytest.mark.parametrize("target", ["https://{name}/", "javascript:alert(1)", "https://shop.example/{name"])
def test_a_target_without_a_fixed_domain_is_a_mistake(target: str, write: WriteFile) -> None:
    assert "links.offer" in mistake(write, FILE.replace("https://shop.example/{amount}?u={name|you}", target))


def test_five_links_are_allowed_and_six_are_not(write: WriteFile) -> None:
    def file(count: int) -> str:
        names = [f"l{number}" for number in range(count)]
        table = ", ".join(f'{name} = "https://shop.example/{name}"' for name in names)
        used = "".join(f"{{{name}}}" for name in names)
        return FILE.replace('{ offer = "https://shop.example/{amount}?u={name|you}" }', f"{{ {table} }}").replace(
            "{offer}", used
        )

    assert read(write, file(5)).plan(NOW).tracked_links
    assert "has 6 links, 5 are allowed" in mistake(write, file(6))


def test_a_link_longer_than_its_slot_is_a_mistake(write: WriteFile, tmp_path: Path) -> None:
    write("campaign.toml", FILE)
    write("people.csv", "to,name,amount\n9876543210,Asha,50\n")
    settings = load_settings(write("dispatch.toml", WITH_LINKS.replace('url = "go.', 'url = "https://go.')))

    with pytest.raises(InputInvalid, match=r"variables.1: has 38 characters, 30 are allowed"):
        Draft(tmp_path / "campaign.toml", tmp_path / "people.csv", settings=settings)


def test_a_column_with_the_name_of_a_link_is_a_mistake(write: WriteFile, tmp_path: Path) -> None:
    write("campaign.toml", FILE)
    write("people.csv", "to,name,amount,offer\n9876543210,Asha,50,x\n")
    settings = load_settings(write("dispatch.toml", WITH_LINKS))

    with pytest.raises(InputInvalid, match="also has a column offer; rename the link"):
        Draft(tmp_path / "campaign.toml", tmp_path / "people.csv", settings=settings)


def test_an_opt_out_link_needs_a_link_and_stop_words(write: WriteFile) -> None:
    assert read(write, f"opt_out_link = true\n{FILE}").plan(NOW).tracked_links
    without = FILE.replace("{offer}", "x").replace(
        'links = { offer = "https://shop.example/{amount}?u={name|you}" }\n', ""
    )
    assert "opt_out_link: needs a tracked link" in mistake(write, f"opt_out_link = true\n{without}")
    settings = WITH_LINKS + "\n[optouts]\nstop_words = []\n"
    assert "opt_out_link: needs stop_words" in mistake(write, f"opt_out_link = true\n{FILE}", settings)
