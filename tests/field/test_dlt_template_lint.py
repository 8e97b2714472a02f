"""``dispatch template check`` shows the rules of portals and operators that a text breaks, with date and source."""

from pathlib import Path

import pytest

from producers.registry.lint import lint
from producers.registry.validation import template_problems
from tests.kit.producers import SETTINGS, load_settings


def lines(tmp_path: Path, text: str) -> list[str]:
    table = f'[templates.new]\nsender = "TIMESM"\ncontent_id = "1107161786534401928"\ntext = "{text}"\n'
    path = tmp_path / "dispatch.toml"
    path.write_text(SETTINGS + table, encoding="utf-8")
    settings = load_settings(path)
    return [*template_problems("new", settings), *map(str, lint("new", settings))]


@pytest.mark.parametrize(
    ("text", "start", "source"),
    [
        ("A {#num#} b {#num#} c {#num#} - TIMES", "advice: it has 3 variables", "TRAI direction of 2025-11-18"),
        ("Bill {#num#}, {#num#} - TIMES", "advice: no word stands between its variables 1 and 2", "2025-11-18"),
        ("Dear {#var#} - TIMES", "advice: 1 of its variables has no type", "2026-01-14"),
        ("Thank you", "advice: it names neither the brand nor the header TIMESM", "2026"),
        ("Get 20% off - TIMES", "'% off' is a word of offers", "2025-02-12"),
        ("See evil.in - TIMES", "from TIMESM it links to evil.in, which is not whitelisted", "2024-08-20"),
        (
            "See http://evil.in/{#num#} - TIMES",
            "from TIMESM it links to http://evil.in/…, whose domain is not",
            "2024-08-20",
        ),
        ("See evil.in/pay?id={#num#} - TIMES", "from TIMESM it links to evil.in/pay?id=…, whose domain", "2024-08-20"),
        ("Pay {#num#}/{#num#} - TIMES", "advice: no word stands between its variables 1 and 2", "2025-11-18"),
        ("An exclusive deal for you - TIMES", "'exclusive deal' is a word of offers", "2025-02-12"),
        ("BOGO on all - TIMES", "'BOGO' is a word of offers", "2025-02-12"),
        ("Your loan is pre-approved - TIMES", "'pre-approved' is a word of offers", "2025-02-12"),
        ("Use code {#num#} for shopping - TIMES", "'Use code' is a word of offers", "2025-02-12"),
        ("Use code SAVE50 to complete your purchase - TIMES", "'Use code' is a word of offers", "2025-02-12"),
        ("Use code SAVE50 - TIMES", "'Use code' is a word of offers", "2025-02-12"),
        ("{{#num#} is your code - TIMES", "{{#var#} looks like a placeholder", "2026"),
        ("Call 1800 123 4567 - TIMES", "from TIMESM it contains 1800 123 4567", "2024-08-20"),
        ("Dear ##name## - TIMES", "##name## looks like a placeholder", "2026"),
    ],
)
def test_each_rule_is_named_with_its_date(tmp_path: Path, text: str, start: str, source: str) -> None:
    [line] = lines(tmp_path, text)

    assert line.startswith(start)
    assert source in line


@pytest.mark.parametrize(
    "text",
    [
        "Your code is {#num#}, valid for {#num#} minutes. - TIMES",
        "Your job offer and offer letter are ready - TIMES",
        "Use code {#num#} to sign in to TIMES",
        "Use code {#num#} for login to TIMES",
        "Use code {#num#} to complete your registration at TIMES",
        "Use code 4711 to confirm the order at TIMES",
        "SMS STOP to 56161 - TIMES",
        "The sale deed is registered - TIMES",
        "Go to www.{#num#}.in - TIMES",
    ],
)
def test_a_text_that_keeps_the_rules_has_no_line(tmp_path: Path, text: str) -> None:
    assert lines(tmp_path, text) == []
