import subprocess
import sys

import pytest

from times_dispatch.settings.masking import mask, mask_text


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("919876543210", "9198*****210"),
        ("+919876543210", "+9198*****210"),
        ("9876543210", "9876***210"),
        ("441632960961", "4416*****961"),
        ("987654321", "*********"),
        ("", ""),
    ],
)
def test_a_masked_number_keeps_its_ends_if_it_is_long_enough(number: str, masked: str) -> None:
    assert mask(number) == masked


@pytest.mark.parametrize(
    "number",
    [
        "9876543210",
        "919876543210",
        "+919876543210",
        "+91 98765-43210",
        "91 98765 43210",
        "09876543210",
        "+4479460958000",
    ],
)
@pytest.mark.parametrize("around", ["{}", "to={}", '"{}"', "sent to {}, again", "({})", "/sms/{}?x=1"])
def test_a_text_that_looks_like_a_mobile_number_is_masked_everywhere(number: str, around: str) -> None:
    text = mask_text(around.format(number))
    assert "***" in text
    assert "54321" not in text.replace("-", "").replace(" ", "")
    assert "95800" not in text


@pytest.mark.parametrize(
    "text",
    [
        "1207161786534401928",  # a content id
        "1795000000",  # a time in seconds
        "1795000000123",  # in milliseconds
        "205538399",  # a transaction id
        "k3f09a1b00000z01987654321098abcd",  # a correlation id
        "5876543210",  # no mobile number begins with 5
        "2026-11-22T10:21:00",
        "12/200",
    ],
)
def test_other_digits_are_not_masked(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.processes
def test_masking_does_without_the_logs() -> None:
    script = "import sys, times_dispatch.settings.masking; print('structlog' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )
