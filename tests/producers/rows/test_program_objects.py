"""Texts of programs' objects, and values of people that look like them."""

import pytest

from producers.rows.damage import DamageCheck
from producers.rows.program_objects import is_program_object

CHECK = DamageCheck()


@pytest.mark.parametrize(
    "value",
    [
        "Shirt(size=M)",
        "Pack(qty=2)",
        "Shirt(size=M, colour=red)",
        "Saree(colour=Maroon,length=5.5m)",
        "Plan(speed=100 Mbps)",
        "Lens(power=-2.5)",
        "Ticket(adult=2,child=1)",
        "Kit(age=5+)",
        "OnePlus(ram=12)",
        "Optional(Maths)",
        "List(Pending)",
        "Some(Veg)",
        "[Gold]",
        "[VIP]",
        "[Hall 2]",
        "Optional(Hindi/Sanskrit)",
        "Optional(Computer Science)",
        "Optional(1)",
        "List(A)",
        "List(2026-27)",
        "<OTP: 123456>",
        "<Order: 4521>",
        "<Ref: AB12>",
        "<PNR: 8123456789>",
        "<BATCH: Morning>",
        "<Gold: 22K>",
        "<Gold [22K]>",
        "<Member: Gold>",
        "<OnePlus: Nord 4>",
        "<class 10>",
        "<class 10 A>",
        "<function hall 2>",
        "#<12>",
        "b'day cake",
        "b'lore",
        "System.Care",
        "kotlin.Basics",
        "Decimal(12)",
        "C# Programming (Basics)",
        "Flat #12, Tower B",
        "Std. X (CBSE)",
    ],
)
def test_a_value_of_a_person_is_no_object(value: str) -> None:
    assert not is_program_object(value)
    assert CHECK.find([value]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "<__main__.User object at 0x7f8b1c2d3e50>",
        "<User: User object (1)>",
        "<bound method User.name of <User: Asha>>",
        "<class 'NoneType'>",
        "<method 'upper' of 'str' objects>",
        "<Cell 'Sheet1'.A1>",
        "Decimal('12')",
        "Timestamp('2026-11-30 00:00:00')",
        "datetime.date(2026, 11, 30)",
        "np.str_('Asha')",
        "pd.NaT",
        "dict_values(['Asha'])",
        "OrderedDict([('a', 1)])",
        "SafeString('Asha')",
        "Interval(0, 5, closed='right')",
        r"b'\xe0\xa4\x86\xe0",
        "User(name='Asha', age=30)",
        "User(name=Asha, id=4)",
        "Order(id=12, item=Shirt)",
        "Shirt(size=None)",
        "Address(houseNo=12)",
        "Order(placed=datetime.date(2026, 11, 30))",
        "User [id=1, name=Asha]",
        "<User: Asha>",
        "<UserProfile: Asha>",
        "<Response [200]>",
        "#<User:0x00007f8b1c2d3e50 @id=1>",
        '#<User id: 1, name: "Asha">',
        "#<Object>",
        "[Function: name]",
        "[Function (anonymous)]",
        "map[]",
        "Optional.empty",
        "Optional(499)",
        "Some(Asha)",
        "List(Asha, Rao)",
        "NumberLong(499)",
        'ISODate("2026-11-30T00:00:00Z")',
        "kotlin.collections.EmptyList",
        "System.Data.DataRow",
        "System.String[]",
    ],
)
def test_the_text_of_an_object_is_found_in_a_cell_and_in_a_column(text: str) -> None:
    assert is_program_object(text)
    assert CHECK.find([text, "Asha"]).keys() == {0}
