from producers.registry.lint import lint
from tests.kit.console import Browser, ConsoleRig, text_of_page


async def test_each_template_has_its_lint(rig: ConsoleRig, operator: Browser) -> None:
    page = text_of_page((await operator.get("/templates")).text)
    for name in rig.resources.settings.templates:
        assert name in page
        for finding in lint(name, rig.resources.settings):
            assert finding.message in page


async def test_a_search_chooses_by_name_text_and_sender(operator: Browser) -> None:
    assert "plain" not in text_of_page((await operator.get("/templates?q=your+BILL")).text)
    assert "No template fits." in (await operator.get("/templates?q=zzz")).text


async def test_viewers_see_no_texts(viewer: Browser) -> None:
    assert (await viewer.get("/templates")).status_code == 403
