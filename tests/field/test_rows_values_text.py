"""Texts in cells in the forms in which exporters and people write them; the rules are the same for all formats."""

from pathlib import Path

import pytest

from producers.errors import InputInvalid
from tests.kit.field import check_values, csv_with


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        ("'OD4", "OD4"),
        ("'499", "499"),
        ('="Asha"', "Asha"),
        ('"=""Asha"""', "Asha"),
        ('"=""Asha, Rao"""', "Asha, Rao"),
        ("=499", "499"),
        ('\'="499"', "499"),
        ("O'Brien", "O'Brien"),
        ("'Asha'", "'Asha'"),
        ("  Asha\t", "Asha"),
        ("\u00a0Asha\u00a0", "Asha"),
        ("\u200bAsha\ufeff", "Asha"),
        ("\u202aAsha\u202c", "Asha"),
        ("Asha_x000D_", "Asha"),
        ('"Asha\n"', "Asha"),
        ("Asha  Rao", "Asha  Rao"),
        ("क्‍ष", "क्‍ष"),
        ("2026-11-30 00:00:00", "2026-11-30"),
        ("2026-11-30T00:00:00.000Z", "2026-11-30"),
        ("30/11/2026 00:00", "30/11/2026"),
        ("30/11/2026 0:00:00", "30/11/2026"),
        ("2026-11-30 10:30:00", "2026-11-30 10:30:00"),
        ("2026-11-30 10:00:00", "2026-11-30 10:00:00"),
        ("1899-12-31 10:30:00", "10:30:00"),
        ("1899-12-30T10:30:00", "10:30:00"),
        ("2026-11-30T00:00:00+05:30", "2026-11-30"),
        ("30-Nov-2026 00:00:00", "30-Nov-2026"),
        ("11/30/2026 12:00:00 AM", "11/30/2026"),
        ("30-11-26 00:00", "30-11-26"),
        ('"Nov 30, 2026 12:00:00 AM"', "Nov 30, 2026"),
        ("2026-11-30T10:30:00.000", "2026-11-30 10:30:00"),
        ("2026-11-30T10:30:00+05:30", "2026-11-30 10:30:00"),
        ("2026-11-30 10:30:00.123456", "2026-11-30 10:30:00"),
        ("2026-11-30T10:30:00Z", "2026-11-30T10:30:00Z"),
        ("2026-11-30T10:30", "2026-11-30 10:30"),
        ("30-NOV-26 10.30.15.123456789 AM", "30-NOV-26 10.30.15 AM"),
        ("30-NOV-26 10.30.15.123456 AM ASIA/KOLKATA", "30-NOV-26 10.30.15 AM"),
        ("30/11/2026 10:30:00.000", "30/11/2026 10:30:00"),
        ("11/30/2026 10:30:15.1234567 PM", "11/30/2026 10:30:15 PM"),
        ("10:30:00.0000000", "10:30:00"),
        ("10.20.30.4", "10.20.30.4"),
        ("A\\nagar", "A\\nagar"),
        ("S\\O Ramesh", "S\\O Ramesh"),
        ("C:\\temp", "C:\\temp"),
        ("01-01-1970", "01-01-1970"),
        ("2026-11-30 00:00:00 UTC", "2026-11-30"),
        ("2026-11-30 00:00:00 +0000 UTC", "2026-11-30"),
        ("2026-11-30 00:00:00 +0530 IST m=+0.01", "2026-11-30"),
        ("2026-11-30 10:30:00 +0530 IST", "2026-11-30 10:30:00"),
        ("Nov 30 2026 12:00AM", "Nov 30 2026"),
        ("Nov  3 2026 12:00AM", "Nov  3 2026"),
        ("2026.11.30 00:00:00", "2026.11.30"),
        ("2026-11-30T00:00:00+05:30[Asia/Kolkata]", "2026-11-30"),
        ("2026-11-30T10:30:00+05:30[Asia/Kolkata]", "2026-11-30 10:30:00"),
        ("2026-11-30 00:00:00 Asia/Kolkata", "2026-11-30"),
        ("30NOV2026:00:00:00.000", "30NOV2026"),
        ("30NOV2026:10:30:00", "30NOV2026:10:30:00"),
        ("20261130 00:00:00", "20261130"),
        ("2026-11-30-00.00.00.000000", "2026-11-30"),
        ("Nov 30 2026 12:00:00:000AM", "Nov 30 2026"),
        ('"Nov 30, 2026 at 12:00 AM"', "Nov 30, 2026"),
        ("Sat Dec 30 18:45:00 IST 1899", "18:45:00"),
        ("0 days 00:00:00", "00:00:00"),
        ("1 days 02:00:00", "1 days 02:00:00"),
        ("Rs 824.8199999999999", "Rs 824.82"),
        ("₹824.8199999999999", "₹824.82"),
        ('"₹1,499.8199999999999"', "₹1,499.82"),
        ('"₹1,499.9999999999998"', "₹1,500"),
        ("18.000000000000004%", "18%"),
        ("824.8199999999999 INR", "824.82 INR"),
        ("\u061cAsha\u2800", "Asha"),
        ("Rs 28.613895400", "Rs 28.613895400"),
        ("0 days 01:30:00", "01:30:00"),
        ("0 days 01:30:00.500000", "01:30:00.500"),
        ("0 days 01:30:00.000000000", "01:30:00"),
        ("0 days 00:01:23.456789", "00:01:23.456789"),
        ("10:30:15.250", "10:30:15.250"),
        ("10 days 01:30:00", "10 days 01:30:00"),
        ("Sana Nair", "Sana Nair"),
        ("2026-11-30 00:00:00+00", "2026-11-30"),
        ("30-NOV-26 12.00.00.000000 AM", "30-NOV-26"),
        ("30.11.2026 0:00", "30.11.2026"),
        ("Mon Nov 30 00:00:00 IST 2026", "Mon Nov 30 2026"),
        ('"Mon, 30 Nov 2026 00:00:00 GMT"', "Mon, 30 Nov 2026"),
        ("Mon Nov 30 2026 00:00:00 GMT+0530 (India Standard Time)", "Mon Nov 30 2026"),
        ("Mon Nov 30 10:30:00 IST 2026", "Mon Nov 30 10:30:00 IST 2026"),
        ("30/11/2026 10:30 AM", "30/11/2026 10:30 AM"),
        ("12:00 AM", "12:00 AM"),
        ("1899-12-31T10:30:00.000Z", "10:30:00"),
        ("12/30/1899 10:30:00 AM", "10:30:00 AM"),
        ("since 1899", "since 1899"),
        ("since 1/1/1900", "since 1/1/1900"),
        ("824.8199999999999", "824.82"),
        ("0.30000000000000004", "0.3"),
        ("99.99999999999999", "100"),
        ("-1099.9999999999998", "-1100"),
        ("3.0000000000000004", "3"),
        ("199.99000549316406", "199.99"),
        ("12.300000190734863", "12.3"),
        ("824.8200073242", "824.82"),
        ("28.613895400", "28.613895400"),
        ("77.209021123", "77.209021123"),
        ("824.82", "824.82"),
        ("99.50", "99.50"),
        ("3.14159265358979", "3.14159265358979"),
        ("123456789012345678", "123456789012345678"),
        ("100%", "100%"),
        ("C# and F#", "C# and F#"),
        ("Flat #12", "Flat #12"),
        ("Really?", "Really?"),
        ("@asha-rao", "@asha-rao"),
        ("B+", "B+"),
        ("Nilima", "Nilima"),
        ("Nandan", "Nandan"),
        ("Banana", "Banana"),
        ("Renée", "Renée"),
        ("São João", "São João"),
        ("आशा", "आशा"),
        *(
            (cell, cell)
            for cell in (
                "<3",
                "$5",
                "US$ 5",
                "$AAPL",
                "[1]",
                "[A]",
                "Rao [HUF]",
                "Asha <asha@times.example>",
                "5 < 6",
                "a<b and c>d",
                "XXXX1234",
                "A/c XXXX 1234",
                "XXL",
                "AT&T",
                "R & D; X",
                "50%20off",
                "Really??",
                "#SALE!",
                "#ad",
                "Roberto Null",
                "Fee: None",
                "null and void",
                "__init__",
                "10|20",
                "m²",
                "25°",
                "Ângela",
                "SÃO JOSÉ",
                "à la carte",
                "SAVE_BIG",
                "CODE_10",
                "Email_ID",
                "Mobile_Number",
                "*Order*",
                "Asha_Rao",
                "½ kg",
                "d'Souza",
                "(M)",
                "Fame",
                "Name and Fame",
                "Surname",
                "(North)",
                "- 5",
                "-Nandan-",
                "DD-12",
                "asha.rao@ab12",
                "u and I",
                "Asha Nandan",
                "Butter naan",
                "Roberto None",
                "Rs. XL",
                "#DeletedScenes",
                "Not found guilty",
                "Map 1",
                "100% @home",
                "Varanasi",
                "Systema",
            )
        ),
    ],
)
def test_a_value_is_what_a_person_sees(tmp_path: Path, cell: str, seen: str) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", cell))

    assert (checked.values, checked.refused) == ([seen], [])


@pytest.mark.parametrize(
    "cell",
    ["Mr Null", "Ms. Nan", "Dear Nat", "Dr Nat", "Shri Nan", "Butter nan", "Garlic nan", "Nan khatai", "System.dat"],
)
def test_names_and_products_that_resemble_the_words_of_programs_are_good(tmp_path: Path, cell: str) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", cell, "Asha null"))

    assert checked.values == [cell]


WORDS_FOR_NO_VALUE = (
    "NULL null (null) (none) None nan NaN NaT <NA> NA N/A n/a n/a. \\N N\\A undefined nil - -- – — . (blank) "
    "TBD ... … _ ----- ______ 'null' “n/a” -None- --None-- (null) "
    "<null> [NULL] -nan(ind) 1.#IND N-A NA. nill Unknown [] Unassigned # * **"
)
PHRASES_FOR_NO_VALUE = (
    *("Missing", "Not found", "Not updated", "Not Avail.", "No info", "No Data Found", "Data not found", "None given"),
    *("Not assigned", "Not recorded", "Not Disclosed", "To be advised", "Update pending", "(Not available)"),
)
ERRORS = (
    "#REF #VALUE #DIV/0 #NAME #CALC! #WERT! #BEZUG! #ZAHL! #VALEUR! #NOM? #¡REF! #VALORE! #WAARDE! #ADR! #ЗНАЧ! "
    "#VÄRDEFEL! #DEĞER! #ÉRTÉK!"
)


@pytest.mark.parametrize(
    "word",
    [*WORDS_FOR_NO_VALUE.split(), *PHRASES_FOR_NO_VALUE],
)
def test_the_usual_words_for_no_value_are_refused_like_an_empty_cell(tmp_path: Path, word: str) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", word, f" {word} ", "fine"))

    assert checked.values == ["fine"]
    assert checked.refused == ["value holds a word for no value"] * 2


@pytest.mark.parametrize(
    "cell",
    [
        *("0000-00-00", "0000-00-00 00:00:00", "1899-12-30", "1899-12-30 00:00:00", "1899-12-30T05:08:50.000Z"),
        *("30-Dec-1899", "Sat Dec 30 1899", "01-Jan-0001"),
        *(
            "1900-01-01 00:00:00.000",
            "01-01-1900",
            "01-Jan-1900",
            "1 Jan 1900",
            "01/01/1753",
            "9999-12-31",
            "31.12.9999 23:59:59",
        ),
        *("1970-01-01 05:30:00", "01/01/1970 05:30", "Thu Jan 01 05:30:00 IST 1970"),
        *("30/12/1899", "00-01-1900", "0-Jan-00", "1/0/1900", "0001-01-01T00:00:00", "1/1/0001 12:00:00 AM"),
    ],
)
def test_the_day_zero_of_a_program_is_no_value(tmp_path: Path, cell: str) -> None:
    path = csv_with(tmp_path / "a.csv", cell, "fine")

    assert check_values(path).refused == [
        "value holds the first or last day of a program's calendar, which stands for no date"
    ]
    assert check_values(path, "{value|soon}").values == ["soon", "fine"]


@pytest.mark.parametrize(
    "word",
    [
        "- NA -",
        "Missing",
        "(missing)",
        "not found",
        "Not Given",
        "DBNull",
        "None.",
        "null.",
        "()",
        "[ ]",
        "''",
        "♦ Not Applicable",
    ],
)
def test_words_of_programs_and_people_for_no_value_are_refused(tmp_path: Path, word: str) -> None:
    assert check_values(csv_with(tmp_path / "a.csv", word)).refused == ["value holds a word for no value"]


@pytest.mark.parametrize("cell", ["\u200c", "\u200d\u200c", "\u3164", "\u2800", "\u180e"])
def test_a_cell_of_invisible_characters_is_empty(tmp_path: Path, cell: str) -> None:
    assert check_values(csv_with(tmp_path / "a.csv", cell)).refused == ["value is empty"]


@pytest.mark.parametrize("word", ["(No value)", "(not set)", "(not provided)", "No Value", "not known"])
def test_words_for_no_value_of_several_words_are_refused_too(tmp_path: Path, word: str) -> None:
    assert check_values(csv_with(tmp_path / "a.csv", word)).refused == ["value holds a word for no value"]


def test_the_words_for_no_value_are_a_setting(tmp_path: Path) -> None:
    path = csv_with(tmp_path / "a.csv", "NA", "keine Angabe", "KEINE ANGABE")

    checked = check_values(path, more='[recipients]\nno_value = ["keine Angabe"]')

    assert checked.values == ["NA"]
    assert len(checked.refused) == 2


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("#N/A", "holds #N/A, the error of a lookup"),
        ("#NV", "holds #N/A, the error of a lookup"),
        ("#Н/Д", "holds #N/A, the error of a lookup"),
        *((error, "holds an error of a spreadsheet") for error in ERRORS.split()),
        ("Rs #REF!", "holds an error of a spreadsheet"),
        ("Dear #N/A", "holds an error of a spreadsheet"),
        ("#REF!", "holds an error of a spreadsheet"),
        ("#DIV/0!", "holds an error of a spreadsheet"),
        ("#VALUE!", "holds an error of a spreadsheet"),
        *(
            (error, "holds an error of a spreadsheet")
            for error in ("#ERROR", "#Error", "#ERR!", "#Missing", "#Deleted", "#MULTIVALUE", "#REF !", "#TIMEOUT!")
        ),
        ("#NAME?", "holds an error of a spreadsheet"),
        ("#SPILL!", "holds an error of a spreadsheet"),
        ("#ERROR!", "holds an error of a spreadsheet"),
        ("Err:502", "holds an error of a spreadsheet"),
        ("Loading...", "holds an error of a spreadsheet"),
        ("########", "holds only # signs"),
        ("Ren\ufffde", "holds U+FFFD"),
        ("????", "holds question marks"),
        ("Ren?e", "holds question marks"),
        ("Ren??e Rao", "holds question marks"),
        *(
            (cell, "was read in a wrong encoding")
            for cell in ("Rs.Â 499", "Rs.Â\u00a0499", "AshaÂ Rao", "RenÃ", "Ren√©e", "It‚Äôs", "Renã©e", "à¤")
        ),
        *(
            (cell, "holds the code of a web page")
            for cell in (
                "R&amp;D",
                "&#2310;",
                "&#x906;",
                "a&nbsp;b",
                "&rsquo;",
                "a<br>b",
                "<b>Asha</b>",
                "<br/>",
                "<p>",
            )
        ),
        ('<a href="x">Asha</a>', "holds the code of a web page"),
        *(
            (cell, "holds characters in the form of a program")
            for cell in (
                "\\u0906",
                "12 MG Rd.\\nPune",
                "Asha\\tRao",
                "Asha\\n",
                "Asha%20Rao",
                "%20Asha",
                "Asha%2C",
                "Asha\\r\\n",
                "%E0%A4%86",
                "=E0=A4",
            )
        ),
        ("???? ????", "holds question marks"),
        ("RenÃ©e", "was read in a wrong encoding"),
        ("Itâ€™s", "was read in a wrong encoding"),
        ("à¤†à¤¶à¤¾", "was read in a wrong encoding"),
        ("Mﾃｼller", "was read in a wrong encoding"),
        ("None None", "holds a word for no value"),
        ("NA NA", "holds a word for no value"),
        ("n/a N/A", "holds a word for no value"),
        ("N / A", "holds a word for no value"),
        ("n /a", "holds a word for no value"),
        ("N/ A", "holds a word for no value"),
        ("Dear ｛name｝", "holds a placeholder that nobody filled"),
        ("｛｛1｝｝", "holds a placeholder that nobody filled"),
        ("＜name＞", "holds a placeholder that nobody filled"),
        ("null null null", "holds a word for no value"),
        ("nan nan", "holds a word for no value"),
        *(
            (cell, "holds a placeholder")
            for cell in (
                *("{#var", "Dear {#", "#}", "¤name¤", "::name::", "==name==", "!*FIRSTNAME*!", "##NAME"),
                *("Firstname Lastname", "First Name Last Name", "Name Here"),
            )
        ),
        ("{name}", "holds a placeholder"),
        ("{0}", "holds a placeholder"),
        ("{{name}}", "holds a placeholder"),
        ("{#var#}", "holds a placeholder"),
        ("${name}", "holds a placeholder"),
        ("##name##", "holds a placeholder"),
        ("#numeric#", "holds a placeholder"),
        ("%s", "holds a placeholder"),
        ("%1$s", "holds a placeholder"),
        ("%(name)s", "holds a placeholder"),
        ("%name%", "holds a placeholder"),
        ("<<name>>", "holds a placeholder"),
        ("«name»", "holds a placeholder"),
        ("*|FNAME|*", "holds a placeholder"),
        ("Dear {name}", "holds a placeholder"),
        *(
            (cell, "holds a placeholder")
            for cell in (
                "[name]",
                "[VAR]",
                "Dear [First Name]",
                "[[name]]",
                "<name>",
                "<Your Name>",
                "$name",
                "$firstName",
                "@@name@@",
                "||name||",
                "__name__",
                "{{ name }}",
                "{%name%}",
                "{name",
                "Dear {name",
                "name}",
                "[name",
                "@name",
                "#first name#",
                "XXXX",
                "xxx",
                "Dear XXXX",
                "Dear ____",
                "DD/MM/YYYY",
                "@name@",
                "$NAME$",
                "^name^",
                "!Name!",
                ":name",
                "FIRST_NAME",
                "cust_name",
                "|*NAME*|",
                "[% name %]",
                "%%=v(@name)=%%",
                "[[user.name|there]]",
                "@Model.Name",
                "@Profile - Name",
                "(Customer Name)",
                "Customer Name",
                "FirstName",
                "YOUR NAME",
                "insert_name_here",
                "DD-MMM-YYYY",
                "yyyy-mm-dd",
                "hh:mm",
                "%-10s",
                "%5.2f",
                "%.2f",
                "%@",
                "%i",
                "%v",
                "&&name&&",
                "((name))",
                "|NAME",
                "VAR1",
                "var2",
                "Rs. XXX",
                "dd.mm.yyyy",
                "dd mmm yyyy",
            )
        ),
        ("[object Object]", "holds the name of a program's object"),
        ("Dear [object Object]", "holds the name of a program's object"),
        ("b'Asha'", "holds the name of a program's object"),
        ("Array", "holds the name of a program's object"),
        *(
            (cell, "holds the name of a program's object")
            for cell in (
                "System.Data.DataRow",
                "com.acme.Order@7f31245a",
                "<Order: Order object (1)>",
                "u'Asha'",
                "System.__ComObject",
                "System.Collections.Generic.List`1[System.String]",
                "<built-in method title of str object at 0x7f>",
                "<function name at 0x7f>",
                "#<Order:0x000>",
                "map[name:Asha]",
                "[Object: null prototype]",
                "np.float64(5.0)",
                'Optional("Asha")',
                "Name: x dtype: object",
            )
        ),
        *(
            (cell, "holds the name of a program's object")
            for cell in (
                '"(Asha,)"',
                "<memory at 0x7f8e5c0d1f40>",
                "ObjectId(5f3c1a2b9d1e8a0012345678)",
                "Some(Asha)",
                "List(Asha)",
                "kotlin.Unit",
                "<User: Asha>",
                "<QuerySet []>",
                "User(name='Asha')",
                "[Ljava.lang.String;@1b6d3586",
                "[B@1b6d3586",
                "<![CDATA[Asha]]>",
            )
        ),
        *((cell, "holds a placeholder") for cell in ("#VAR1", "Dear #var", "#VAR_2")),
        ('=("Asha")', "holds a formula"),
        *(
            (cell, "holds a word such as null")
            for cell in ("Asha null", "null Rao", "Rs NaN", "Hello undefined", "ASHA NULL")
        ),
        ("on Invalid Date", "holds a word such as null"),
        *(
            (cell, "holds a word such as null")
            for cell in ("Rs. nan", "Rs None", "₹null", "₹nan/-", "Mr None", "Dear nan", "Asha nan", "INR null")
        ),
        ("1.20716E+18", "is in scientific notation"),
        ("1.20716178653440192E18", "is in scientific notation"),
        ("1e-05", "is in scientific notation"),
        ("inf", "is infinite"),
        ("1.#INF", "is infinite"),
        ("-1.#INF", "is infinite"),
        ("∞", "is infinite"),
        ("-Infinity", "is infinite"),
        ("=A1&B1", "holds a formula"),
        ('"=VLOOKUP(A2,Z:Z,1,0)"', "holds a formula"),
    ],
)
def test_a_damaged_value_is_refused_with_its_reason(tmp_path: Path, cell: str, reason: str) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", cell, "fine"))

    assert checked.values == ["fine"]
    [refusal] = checked.refused
    assert refusal.startswith(f"value {reason}")


def test_a_damaged_value_of_a_column_that_is_not_used_makes_no_row_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("to,value,other\n9876543210,Asha,#REF!\n")

    assert check_values(path).values == ["Asha"]


@pytest.mark.parametrize("missing", ["", " ", "NULL", "#N/A", "-"])
def test_a_default_stands_for_a_missing_value(tmp_path: Path, missing: str) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", missing, "Asha"), "Hello {value|there}")

    assert (checked.values, checked.refused) == (["Hello there", "Hello Asha"], [])


def test_a_default_may_be_empty_and_may_hold_blanks(tmp_path: Path) -> None:
    path = csv_with(tmp_path / "a.csv", "", "Asha")

    assert check_values(path, "Hello {value|}").values == ["Hello ", "Hello Asha"]
    assert check_values(path, "{value|dear friend}").values == ["dear friend", "Asha"]


def test_a_default_does_not_stand_for_a_damaged_value(tmp_path: Path) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", "{name}", "Ren\ufffde"), "{value|there}")

    assert checked.values == []
    assert len(checked.refused) == 2


def test_a_column_must_be_filled_if_one_of_its_uses_has_no_default(tmp_path: Path) -> None:
    checked = check_values(csv_with(tmp_path / "a.csv", "", "Asha"), "{value|you}, {value}")

    assert checked.values == ["Asha, Asha"]
    assert checked.refused == ["value is empty"]


def test_a_column_whose_name_holds_a_bar_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('to;"first|last"\n9876543210;Asha\n')

    assert check_values(path, "{first|last}").values == ["Asha"]


def test_the_default_of_an_unknown_column_does_not_hide_the_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match=r"a\.csv has no column valeu; did you mean \{value\}\?"):
        check_values(csv_with(tmp_path / "a.csv", "Asha"), "{valeu|there}")


def test_the_rejects_files_of_two_formats_are_two_files(tmp_path: Path) -> None:
    as_csv = csv_with(tmp_path / "a.csv", "Asha")
    as_tsv = tmp_path / "a.tsv"
    as_tsv.write_text("to\tvalue\n9876543210\tAsha\n")

    assert check_values(as_csv).rejects != check_values(as_tsv).rejects
