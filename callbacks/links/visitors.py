"""Distinguishes people who click a link from programs that fetch the link, by the request's method and headers.

The lists are data of November 2026, from the documentation of the programs' makers. A program that pretends to be a
browser counts as a person: a server cannot tell the difference.
"""

import re
from collections.abc import Iterable
from typing import Final

from times_dispatch.provider.reports.event_kinds import EventKind

PREVIEWS: Final = (
    "whatsapp/",
    "facebookexternalhit",  # also Messages of Apple, which names three previews at once
    "facebot",
    "twitterbot",
    "telegrambot",
    "slackbot",
    "slack-imgproxy",
    "discordbot",
    "linkedinbot",
    "skypeuripreview",
    "microsoftpreview",
    "teamsbot",
    "viber",
    "line-poker",
    "kakaotalk-scrap",
    "redditbot",
    "pinterestbot",
    "snap url preview",
    "google-pagerenderer",
    "embedly",
    "iframely",
    "vkshare",
    "applebot",
    "bitlybot",
)
"""Parts of the user agents of programs that show a preview of a link in a conversation."""

SCANNERS: Final = (
    "google-safety",
    "safebrowsing",
    "virustotal",
    "urlscan",
    "barracuda",
    "proofpoint",
    "mimecast",
    "zscaler",
    "trendmicro",
    "symantec",
    "fortiguard",
    "paloalto",
    "expanse",
    "censys",
    "zgrab",
    "nmap",
    "masscan",
    "nuclei",
    "curl/",
    "wget/",
    "python",
    "aiohttp",
    "httpx",
    "go-http-client",
    "okhttp",
    "apache-httpclient",
    "java/",
    "libwww-perl",
    "node-fetch",
    "axios",
    "scrapy",
    "headlesschrome",
    "phantomjs",
    "puppeteer",
    "playwright",
    "crawl",
    "spider",
    "scanner",
    "monitor",
)
"""Parts of the user agents of other programs: scanners for malware, crawlers, libraries."""

_PREVIEW: Final = re.compile("|".join(map(re.escape, PREVIEWS)))
_SCANNER: Final = re.compile("|".join(map(re.escape, SCANNERS)) + r"|(?<!cu)bot\b")  # Cubot makes phones
_PURPOSE_HEADERS: Final = frozenset({b"purpose", b"sec-purpose", b"x-purpose", b"x-moz"})
_PURPOSE: Final = re.compile(b"prefetch|prerender|preview", re.IGNORECASE)
_MAX_READ: Final = 1024
"""How many bytes of a header are read: browsers send up to 500, and 30,000 would take four milliseconds."""


def kind_of_visit(method: str, headers: Iterable[tuple[bytes, bytes]]) -> EventKind:
    """Return whether a request is a click of a person, or which kind of program makes it.

    Args:
        method: the method of the request.
        headers: its fields, with names in lower case.
    """
    user_agent = ""
    for name, value in headers:
        if name == b"user-agent":
            user_agent = value[:_MAX_READ].decode("latin-1").lower()
        elif name in _PURPOSE_HEADERS and _PURPOSE.search(value[:_MAX_READ]):
            return EventKind.PREVIEWED
    if method == "HEAD":
        return EventKind.PROBED
    if _PREVIEW.search(user_agent):
        return EventKind.PREVIEWED
    if not user_agent or _SCANNER.search(user_agent):
        return EventKind.SCANNED
    return EventKind.CLICKED
