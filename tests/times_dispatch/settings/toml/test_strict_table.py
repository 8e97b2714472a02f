from collections.abc import Mapping
from typing import ClassVar

import pytest
from pydantic import Field

from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.toml.strict_table import StrictTable, replace_old_names


class _StrictPort(StrictTable):
    RENAMED: ClassVar[Mapping[str, str]] = {"most": "max"}

    limit: int = Field(default=0, alias="max")


class _StrictFile(StrictTable):
    RENAMED: ClassVar[Mapping[str, str]] = {"harbours": "ports", "harbour": "port"}

    ports: dict[str, _StrictPort] = Field(default_factory=dict)
    port: _StrictPort = _StrictPort()
    name: str = ""


def test_new_names_stay_as_they_are() -> None:
    data = {"name": "a", "ports": {"x": {"max": 1}}, "port": {"max": 2}}

    assert replace_old_names(_StrictFile, data) == []
    assert data == {"name": "a", "ports": {"x": {"max": 1}}, "port": {"max": 2}}


def test_old_names_are_replaced_in_tables_inside_tables_that_were_renamed_too() -> None:
    data = {"harbours": {"x": {"most": 1}, "y": {"max": 2}}, "harbour": {"most": 3}}

    old_names = replace_old_names(_StrictFile, data)

    assert data == {"ports": {"x": {"max": 1}, "y": {"max": 2}}, "port": {"max": 3}}
    assert old_names == [
        (("harbours",), "ports", False),
        (("harbour",), "port", False),
        (("ports", "x", "most"), "max", False),
        (("port", "most"), "max", False),
    ]


def test_of_two_values_the_one_under_the_new_name_stays() -> None:
    data = {"most": 1, "max": 2}

    assert replace_old_names(_StrictPort, data) == [(("most",), "max", True)]
    assert data == {"max": 2}


@pytest.mark.parametrize("value", [1, "text", [], [{"most": 1}]])
def test_a_value_instead_of_a_table_is_left_to_the_validation(value: object) -> None:
    data = {"ports": {"x": value}, "port": value}

    assert replace_old_names(_StrictFile, data) == []
    assert data == {"ports": {"x": value}, "port": value}


def test_a_document_warns_of_old_names_at_their_lines() -> None:
    document = Document("a.toml", "[harbours.x]\nmost = 1\n")

    file, mistakes = document.check(_StrictFile)

    assert (file, mistakes) == (_StrictFile(ports={"x": _StrictPort(max=1)}), [])
    assert document.warnings == [
        "a.toml:1: harbours: is an old name; write ports",
        "a.toml:2: harbours.x.most: is an old name; write max",
    ]


def test_a_mistake_names_line_and_path_as_they_are_in_the_file() -> None:
    document = Document("a.toml", "[harbours.x]\nmost = 1.5\n")

    assert document.check(_StrictFile) == (None, ["a.toml:2: harbours.x.most: must be a whole number, is a number"])


def test_a_setting_under_both_its_names_is_a_mistake_although_the_rest_is_valid() -> None:
    document = Document("a.toml", "[port]\nmax = 1\nmost = 1\n")

    assert document.check(_StrictFile) == (
        None,
        ["a.toml:3: port.most: is the old name of max, which is given as well"],
    )
    assert document.warnings == []
