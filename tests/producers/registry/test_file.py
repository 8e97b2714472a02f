from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from producers.registry import file
from times_dispatch.settings.tables.templates import RegistryFile, TemplateSettings
from times_dispatch.settings.toml.document import Document

texts = st.text(st.characters(codec="utf-8", exclude_characters="{}#"), min_size=1, max_size=40).map(
    lambda text: f"{text}{{#var#}}"
)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)
templates = st.builds(
    lambda text, senders, longest, links: TemplateSettings(
        content_id="1107161786534401928", text=text, senders=senders, max_value_length=longest, links=links
    ),
    texts,
    st.lists(st.sampled_from(["TIMESM", "TIMOTP"]), min_size=2, max_size=2),
    st.integers(1, 40),
    st.lists(st.sampled_from(["times.in", "https://times.in/a?"]), max_size=2),
)


@given(st.dictionaries(names, templates, max_size=4))
def test_written_templates_are_read_again_byte_for_byte(written: dict[str, TemplateSettings]) -> None:
    read, mistakes = Document("templates.toml", file.toml(written)).check(RegistryFile)

    assert (mistakes, read and read.templates) == ([], written)


def test_templates_are_written_in_the_order_of_names_without_defaults(tmp_path: Path) -> None:
    path = tmp_path / "templates.toml"
    one = TemplateSettings(sender="TIMESM", content_id="1234", text='two\r\n"lines"')
    two = TemplateSettings(senders=["TIMESM"], content_id="1235", text="x", category="promotional")

    file.write(path, {"b": two, "a.x": one})

    assert path.read_text().partition("\n\n")[2] == (
        '[templates."a.x"]\nsender = "TIMESM"\ncontent_id = "1234"\ntext = "two\\r\\n\\"lines\\""\n\n'
        '[templates.b]\nsender = "TIMESM"\ncontent_id = "1235"\ntext = "x"\ncategory = "promotional"\n'
    )
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_registry_without_templates_can_be_read(tmp_path: Path) -> None:
    file.write(tmp_path / "t.toml", {})

    read, mistakes = Document.read(tmp_path / "t.toml").check(RegistryFile)
    assert (mistakes, read and read.templates) == ([], {})
