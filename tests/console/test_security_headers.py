"""Every response has the headers, and no page needs a feature that the headers forbid."""

import re

import pytest

from console.rendering import asset_path
from tests.kit.console import Browser, ConsoleRig
from tests.kit.ledger import CAMPAIGN, Ledger


@pytest.mark.parametrize("path", ["/", "/login", "/nowhere", "/static/console.css", "/health", "/campaigns/nothing1"])
async def test_every_response_has_the_headers(rig: ConsoleRig, path: str) -> None:
    response = await rig.browser().get(path)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert "server" not in response.headers


async def test_an_asset_with_its_digest_is_kept_for_a_year(rig: ConsoleRig) -> None:
    response = await rig.browser().get(asset_path("console.css"))
    assert response.status_code == 200
    assert "immutable" in response.headers["cache-control"]


async def test_no_page_has_inline_styles_scripts_or_foreign_addresses(owner: Browser, ledger: Ledger) -> None:
    await ledger.submit(3)
    for path in ("/", "/campaigns", f"/campaigns/{CAMPAIGN}", "/login"):
        html = (await owner.get(path)).text
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=", html), path
        assert not re.search(r"<style|<script(?![^>]*\ssrc=\"/static/)", html), path
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", html), path
