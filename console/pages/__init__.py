"""The pages of the console: each module reads the data of its page, and lists its routes.

A function of a page gets the ``Visit`` of a user who may see the page, and returns the response. ``routes`` returns the
routes of all pages.
Terms: docs/glossary.md.
"""

from starlette.routing import Route

from console.pages import (
    campaign,
    campaign_actions,
    campaigns,
    live,
    login,
    messages,
    now,
    numbers,
    resend,
    sender_actions,
    senders,
    system,
    templates,
)


def routes() -> list[Route]:
    """Return the routes of all pages."""
    return [
        *login.ROUTES,
        *now.ROUTES,
        *live.ROUTES,
        *campaigns.ROUTES,
        *campaign.ROUTES,
        *messages.ROUTES,
        *campaign_actions.ROUTES,
        *resend.ROUTES,
        *senders.ROUTES,
        *sender_actions.ROUTES,
        *numbers.ROUTES,
        *templates.ROUTES,
        *system.ROUTES,
    ]
