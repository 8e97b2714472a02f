import json

import pytest

from times_dispatch.provider.reports.json_repair import JsonBroken, repair_json


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('[{"a": 1,}, ]', [{"a": 1}]),
        ('[{"a": ",]", "b": "\\",}",},\r\n]', [{"a": ",]", "b": '",}'}]),
        ('{"a": NaN}\0\0', {"a": None}),
        ('{"a": "x\ty"}\x1a', {"a": "x\ty"}),
        (r'{"a": "C:\x",}', {"a": r"C:\x"}),
        (r"""{'a': 'it\'s', "b": "it's", 'c': 'say "x"', 'd': 'say \"x\"', 'e': None, 'f': [True, False],}""",
         {"a": "it's", "b": "it's", "c": 'say "x"', "d": 'say "x"', "e": None, "f": [True, False]}),
        ('{"a": "None of \'these\'",}', {"a": "None of 'these'"}),
    ],
)  # fmt: skip
def test_json_of_templates_is_repaired(written: str, expected: object) -> None:
    assert json.loads(repair_json(written.encode())) == expected


@pytest.mark.parametrize(
    "written", ["[1,,]", '{"a",}', '["a,]', '["a\\', "", '{"a": 1', "[" * 100_000, "['don't']", "['a' 'b']"]
)
def test_json_without_a_certain_meaning_is_not_repaired(written: str) -> None:
    with pytest.raises(JsonBroken):
        repair_json(written.encode())


def test_a_mebibyte_of_quotes_and_commas_is_searched_once() -> None:
    for written in (b'",' * 500_000, b"[" + b"," * 1_000_000, b'[",' + b"\\," * 500_000, b"," + b" " * 1_000_000,
                    b"['" + b"\\'" * 500_000, b"[" + b"'\"" * 500_000):  # fmt: skip
        with pytest.raises(JsonBroken):
            repair_json(written)
