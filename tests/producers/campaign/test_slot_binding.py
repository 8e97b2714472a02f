from pathlib import Path

import pytest

from producers.campaign.file import Campaign
from producers.recipients import Heading
from tests.kit.producers import CAMPAIGN, HEADING, WriteFile, campaign_mistakes
from times_dispatch.settings.model import Settings


def test_variables_are_bound_in_order(campaign: Path, settings: Settings) -> None:
    source = Campaign(campaign, settings).slot_source(HEADING)

    assert source.columns == {1, 2}
    assert source.values({1: ["Asha"], 2: ["5"]}, 1) == ([["Asha"], ["Rs 5"]], {})


def test_without_variables_the_columns_are_var1_and_so_on(write: WriteFile, settings: Settings) -> None:
    path = write("c.toml", "".join(CAMPAIGN.splitlines(keepends=True)[:3]))
    heading = Heading(Path("customers.csv"), 1, ["to", "VAR2", "var1"])

    assert Campaign(path, settings).slot_source(heading).values({1: ["b"], 2: ["a"]}, 1)[0] == [["a"], ["b"]]
    assert campaign_mistakes(path, settings) == [
        "c.toml: variables: is missing, and its default cannot be used: "
        f"customers.csv has no column {name}; {HEADING.described()}"
        for name in ("var1", "var2")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dear {nam}, your bill is 5.", "c.toml:4: text: customers.csv has no column nam; did you mean {name}?"),
        ("Dear {name, your bill", "c.toml:4: text: the { at character 6 stands alone; write it twice"),
        ("Hello", "c.toml:4: text: text differs from the registered text: it lacks 'Dear ' at its start"),
    ],
)
def test_a_mistake_in_the_campaigns_own_text_is_named(
    write: WriteFile, settings: Settings, text: str, expected: str
) -> None:
    path = write("c.toml", CAMPAIGN.replace('variables = ["{name}", "Rs {amount}"]', f'text = "{text}"'))

    assert campaign_mistakes(path, settings) == [expected]
