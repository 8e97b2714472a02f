import pytest

from producers.errors import InputInvalid
from producers.number_arguments import normalise_arguments


def test_invalid_arguments_are_named_by_their_position() -> None:
    assert normalise_arguments(["9876543210", "+91 98765-43211"]) == ["919876543210", "919876543211"]
    with pytest.raises(InputInvalid, match=r"^number 2 is ") as invalid:
        normalise_arguments(["9876543210", "12345"])
    assert "12345" not in str(invalid.value)
    with pytest.raises(InputInvalid, match=r"^the number is "):
        normalise_arguments(["12345"])
