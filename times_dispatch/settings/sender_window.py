"""The hours of the day in which a sender may send messages of a category."""

from collections.abc import Mapping

from times_dispatch.settings.tables.senders import CategorySettings, SenderSettings
from times_dispatch.sms.rules.categories import Category
from times_dispatch.sms.rules.send_window import INDIA_ZONE, SendWindow

PROMOTIONAL_WINDOW = "10:00-21:00"
"""The legal window since October 2025; earlier, the window began at nine (docs/domain.md section 5)."""


def send_window(
    sender: SenderSettings, category: Category, categories: Mapping[Category, CategorySettings]
) -> SendWindow:
    """Return the intersection of the window of a category and the window of a sender.

    If the two have no minute in common, the result never opens.
    """
    category_settings = categories.get(category)
    text = category_settings.window if category_settings else None
    zone = category_settings.zone if category_settings else INDIA_ZONE
    if text is None:
        text = PROMOTIONAL_WINDOW if category == "promotional" else "00:00-24:00"
    of_category = SendWindow.parse(text, zone)
    if sender.window is None:
        return of_category
    of_sender = SendWindow.parse(sender.window, zone)
    return SendWindow(
        max(of_category.from_min, of_sender.from_min), min(of_category.until_min, of_sender.until_min), zone
    )
