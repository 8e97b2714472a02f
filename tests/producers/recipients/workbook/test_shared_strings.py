"""The shared strings of a workbook: fonts, phonetic guides, escapes, prefixes, and too many strings."""

from io import BytesIO
from xml.parsers.expat import ExpatError

import pytest

from producers.recipients.workbook.shared_strings import MAX_PIECES, SharedStrings, unescaped


def read(content: str, *, max_strings: int = 100) -> list[str]:
    return SharedStrings(max_strings=max_strings).read(BytesIO(content.encode()))


@pytest.mark.parametrize(
    ("items", "strings"),
    [
        ("<si><t>Asha</t></si><si><t/></si><si/>", ["Asha", "", ""]),
        ('<si><t xml:space="preserve"> a &amp; b\n</t></si>', [" a & b\n"]),
        ("<si>\n<r><rPr><b/></rPr><t>A</t></r>\n<r><t>sha</t></r>\n</si>", ["Asha"]),
        ("<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh><phoneticPr fontId='1'/></si>", ["東京"]),
        ("<si><t>a_x000D_b</t></si><si><t>_xD83D__xDE00_ _xD83D_</t></si>", ["a\rb", "😀 �"]),
    ],
)
def test_the_text_of_each_string_is_read(items: str, strings: list[str]) -> None:
    assert read(f"<sst>{items}</sst>") == strings


def test_names_may_have_a_prefix() -> None:
    assert read('<x:sst xmlns:x="urn:x"><x:si><x:t>a</x:t></x:si></x:sst>') == ["a"]


def test_a_string_may_go_over_many_blocks() -> None:
    assert read(f"<sst><si><t>{'á' * 100_000}</t></si></sst>") == ["á" * 100_000]


def test_too_many_strings_are_refused() -> None:
    assert read("<sst><si/><si/></sst>", max_strings=2) == ["", ""]
    with pytest.raises(ValueError, match="2"):
        read("<sst><si/><si/><si/></sst>", max_strings=2)


def test_a_string_of_too_many_pieces_is_refused() -> None:
    piece = "<r><t>a</t></r>"
    with pytest.raises(ValueError, match=str(MAX_PIECES + 1)):
        read(f"<sst><si>{piece * (MAX_PIECES + 1)}</si></sst>")


@pytest.mark.parametrize("content", ["<sst><si>", "", "<sst></si></sst>"])
def test_damaged_xml_is_refused(content: str) -> None:
    with pytest.raises(ExpatError):
        read(content)


def test_a_text_without_escapes_stays_as_it_is() -> None:
    assert unescaped("_x00_ a_xyz") == "_x00_ a_xyz"
