import pytest

from times_dispatch.sms.rules import categories
from times_dispatch.sms.rules.categories import Category


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("Transactional", "transactional"),
        ("Service - Implicit", "service"),
        ("SERVICE_IMPLICIT", "service"),
        ("Service Inferred", "service"),
        ("Service Explicit", "promotional"),
        ("Promotional", "promotional"),
        ("Government", "government"),
        ("SE", "promotional"),
        ("TEXT", None),
        ("UNICODE", None),
        ("Banking/Insurance", None),
        ("", None),
    ],
)
def test_portals_words_for_categories_are_known(word: str, category: Category | None) -> None:
    assert categories.category_from_portal(word) == category


def test_a_promotional_template_is_promotional_for_every_sender() -> None:
    assert categories.effective_category("service", "promotional") == "promotional"
    assert categories.effective_category("promotional", "service") == "promotional"
    assert categories.effective_category("transactional", "service") == "transactional"
    assert categories.effective_category("government", None) == "government"
