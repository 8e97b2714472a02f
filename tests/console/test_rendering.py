import pytest
from jinja2 import Environment

from console import rendering
from console.rendering import Renderer
from tests.console.test_hostile import PAGES
from tests.kit.console import Browser, ConsoleRig
from tests.kit.ledger import Ledger


async def test_no_page_compiles_a_template_when_it_is_opened(
    rig: ConsoleRig, owner: Browser, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.submit(3)
    rendering._environment.cache_clear()  # as in another process
    object.__setattr__(rig.resources, "renderer", Renderer())
    monkeypatch.delattr(Environment, "compile")
    assert {path: (await owner.get(path)).status_code for path in PAGES} == dict.fromkeys(PAGES, 200)
