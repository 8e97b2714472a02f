from pathlib import Path

import pytest

from producers.checked_digest import checked_digest, refuse_unless_checked
from producers.draft import Draft
from producers.errors import InputInvalid
from tests.kit.producers import CAMPAIGN, SETTINGS, WriteFile, csv_of, load_settings, people

_SETTINGS = """
[providers.spare]
preset = "timesmobile-post"
""" + SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nprice_per_part = "12 paise"').replace(
    "[providers.tm]", "[providers.tm]\ndefault = true"
)


@pytest.fixture
def draft_with(campaign: Path, recipients: Path, write: WriteFile, redis_url: str) -> "DraftWith":
    return DraftWith(write, redis_url, campaign, recipients)


class DraftWith:
    """Makes drafts of the same two files with different settings."""

    def __init__(self, write: WriteFile, redis_url: str, *paths: Path) -> None:
        self._write, self._redis_url, self._paths = write, redis_url, paths

    def __call__(self, old: str = "", new: str = "") -> Draft:
        assert old in _SETTINGS
        text = _SETTINGS.replace(old, new, 1) if old else _SETTINGS
        return Draft(*self._paths, settings=load_settings(self._write("dispatch.toml", text), self._redis_url))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("your bill is", "the bill is"),
        ("1107000000000000001", "1107000000000000009"),
        ("1234567890123456789", "1234567890123456780"),
        ('category = "service"', 'category = "service"\nwindow = "09:00-18:00"'),
        ('category = "service"', 'category = "service"\nlinks = ["shop.example"]'),
        ('category = "service"', 'category = "service"\ncallback_numbers = ["9876543210"]'),
        ('category = "service"', 'category = "service"\nforeign_numbers = true'),
        ('category = "service"', 'category = "service"\nmax_per_number = "3 in 24h"'),
        ('category = "service"', 'category = "service"\nrepeat_after = "5m"'),
        ('category = "service"', 'category = "promotional"'),
        ("12 paise", "13 paise"),
        ("[senders.TIMESM]", '[recipients]\nno_value = ["nobody"]\n[senders.TIMESM]'),
        ("[senders.TIMESM]", '[senders.TIMESM]\nprovider = "spare"'),
    ],
)
def test_settings_that_decide_what_is_sent_to_whom_change_the_digest(draft_with: DraftWith, old: str, new: str) -> None:
    digest = checked_digest(draft_with())

    with pytest.raises(InputInvalid, match=r"^--checked: the settings of sender TIMESM and template bill have changed"):
        refuse_unless_checked(draft_with(old, new), digest)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate_per_s = 500", "rate_per_s = 20\nmax_parts_per_day = 100000"),
        ("We are closed tomorrow", "We are open tomorrow"),
        ("[senders.OTHERS]", '[senders.OTHERS]\nlinks = ["shop.example"]'),
    ],
)
def test_other_settings_leave_the_digest_as_it_is(draft_with: DraftWith, old: str, new: str) -> None:
    refuse_unless_checked(draft_with(old, new), checked_digest(draft_with()))


def test_case_and_blanks_around_a_digest_make_no_difference(draft_with: DraftWith) -> None:
    draft = draft_with()

    refuse_unless_checked(draft, f" {checked_digest(draft).upper()}\n")


def test_a_digest_of_which_only_the_last_group_differs_is_refused(draft_with: DraftWith) -> None:
    draft = draft_with()
    digest = checked_digest(draft)

    with pytest.raises(InputInvalid, match=r"^--checked: a file or a setting has changed since the check"):
        refuse_unless_checked(draft, digest[:-1] + ("a" if digest[-1] != "a" else "b"))


@pytest.mark.parametrize("digest", ["", "abcd", "abcd-abcd-abcd", "1111-1111-1111-" + "1" * 32])
def test_a_text_of_another_form_is_no_digest(draft_with: DraftWith, digest: str) -> None:
    with pytest.raises(InputInvalid, match=r"^--checked: is no digest of dispatch check"):
        refuse_unless_checked(draft_with(), digest)


def test_equal_files_elsewhere_have_the_same_digest(draft_with: DraftWith, write: WriteFile, redis_url: str) -> None:
    paths = write("same.toml", CAMPAIGN), write("same.csv", csv_of(people(25)))
    elsewhere = Draft(*paths, settings=load_settings(write("dispatch.toml", _SETTINGS), redis_url))

    assert checked_digest(elsewhere) == checked_digest(draft_with())
