"""When a sender may send messages of a category: the hours of the category, narrowed by the sender's own."""

from collections.abc import Mapping

from times_dispatch.settings.senders import CategorySettings, Sender
from times_dispatch.sms.rules.categories import Category
from times_dispatch.sms.rules.window import INDIA_ZONE, Window

PROMOTIONAL = "10:00-21:00"
"""Since October 2025; before it was from nine (docs/domain.md section 5)."""


def sending_window(sender: Sender, category: Category, categories: Mapping[Category, CategorySettings]) -> Window:
    """Return the hours in which a sender may send messages of a category; they never open if the two never meet."""
    rules = categories.get(category)
    text = rules.window if rules else None
    zone = rules.zone if rules else INDIA_ZONE
    if text is None:
        text = PROMOTIONAL if category == "promotional" else "00:00-24:00"
    allowed = Window.parse(text, zone)
    if sender.window is None:
        return allowed
    own = Window.parse(sender.window, zone)
    return Window(max(allowed.from_min, own.from_min), min(allowed.until_min, own.until_min), zone)
