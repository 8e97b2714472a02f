"""Damaged values, which are refused with their reason: lost characters, placeholders, objects of programs, formulas."""

from pathlib import Path

import pytest

from tests.kit.field import check_values, csv_with

ERRORS = (
    "#REF #VALUE #DIV/0 #NAME #CALC! #WERT! #BEZUG! #ZAHL! #VALEUR! #NOM? #¡REF! #VALORE! #WAARDE! #ADR! #ЗНАЧ! "
    "#VÄRDEFEL! #DEĞER! #ÉRTÉK!"
)


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
        *(
            (cell, "holds a placeholder")
            for cell in ("[Branch]", "[customer_city]", "[pickupTime]", "[Insert city here]", "[Name]", "<SBI>", "{A}")
        ),
        *(
            (f"[{name}]", "holds a placeholder")
            for name in ("Branch Name", "BranchName", "RM Name", "Visit Time", "Ticket ID", "Reg No", "EMI Amount")
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
