"""Recognises the texts that programs write for their objects in place of a value: ``<User object at 0x7f…>``.

A text counts only if nobody would write it in a sheet: ``Shirt(size=M)``, ``Optional(Maths)``, ``List(Pending)`` and
``<OTP: 123456>`` are values of people. ``Some(Asha)`` counts, because Scala writes it for each value that may be
absent.
"""

import re
from typing import Final

_PERSON: Final = (
    "(?:User|Customer|Client|Contact|Person|Member|Account|Profile|Employee|Student|Patient|Recipient|Subscriber|Lead)"
)
"""The classes whose objects are most often written in place of a name."""
_COMPOUND: Final = r"[A-Z]\w{0,40}[a-z](?:User|Customer|Contact|Person|Profile|Dto|DTO|Entity|Model|Record|Object|Set)"
"""The name of a class of several words: ``UserProfile``, but not ``OnePlus``."""
_PYTHON: Final = (
    r"<[\w.]{1,60}(?:: [^<>\n]{1,60})? object\b|\bdtype: [a-z]|<[\w. ]{1,40} at 0x[0-9A-Fa-f]{2,16}>"
    r"|<class '[^<>\n]{1,60}>|<(?:built-in |bound )(?:function|method) |<function [^<>\n]{1,60} at 0x"
    r"|<method '[^<>\n]{1,60} objects>|<Cell '[^<>\n]{1,60}>"
    r"|\A(?:[bu]'[^']*'|b\"[^\"]*\"|b['\"][^\n]{0,200}\\x[0-9a-f]{2}[^\n]*)\Z"
    r"|\A[\[(]['\"].*['\"],?[\])]\Z|\A\([^(),\n]{1,60},\)\Z"
    r"|\A(?:np|numpy|pd|datetime)\.\w{1,30}\(|\Apd\.NaT?\Z"
    r"|\A(?:o?dict_(?:keys|values|items)|OrderedDict|defaultdict|deque|frozenset)\("
    r"|\AInterval\([^()\n]{1,60}, closed='"
)
_QUOTED_ARGUMENT: Final = (
    r"\A(?:Timestamp|Timedelta|Period|Decimal|UUID|Optional|Some|SafeString|Markup|PosixPath|WindowsPath|Symbol"
    r"|ISODate|NumberDecimal|NumberLong|NumberInt)\(['\"]"
    r"|\ANumber(?:Long|Int|Decimal)\([0-9.]{1,20}\)\Z|\AObjectId\(['\"]?[0-9a-f]{24}['\"]?\)\Z"
)
_FIELD: Final = r"[a-z_]\w{0,40}="
_FIELDS: Final = (
    rf"(?:[^\n]{{0,200}}\b)?(?:{_FIELD}(?:['\"]|(?:None|True|False|null|true|false)\b|[A-Za-z.]{{1,40}}\()"
    r"|(?:[a-z]{1,20}_)?id=|[a-z]{1,20}(?:_[a-z]|[A-Z])\w{0,40}=)"
)
"""Fields as programs write them: with a quoted text, a word of a program, an id, or a name of several words."""
_PERSONS_FIELDS: Final = r"(?:[^\n]{0,200}\b)?(?:name|email|phone|mobile)="
_WITH_FIELDS: Final = "|".join(
    rf"\A(?:[A-Z]\w{{1,40}}{start}(?={_FIELD}){_FIELDS}|(?:{_PERSON}|{_COMPOUND}){start}(?={_FIELD}){_PERSONS_FIELDS})"
    rf"[^\n]{{0,300}}{end}\Z"
    for start, end in ((r"\(", r"\)"), (r" ?\[", r"\]"))
)
"""``User(name='Asha')`` of Python, ``User(id=4, name=Asha)`` of Kotlin, ``User [id=1, name=Asha]`` of Java."""
_IN_ANGLES: Final = (
    rf"\A<(?:User|Customer|Contact|Person|{_COMPOUND}): [^\W\d][^<>\n]{{0,60}}>\Z"
    rf"|\A<(?:Response|QuerySet|{_COMPOUND}) \[[^\n]{{0,200}}\]>\Z"
)
_REMARK: Final = (
    "(?i:pending|wait(?:ing|ed)?|confirmed|cancell?ed|closed|open|done|final|draft|new|old|full|paid|unpaid|due|left|only"
    "|few|more|extra|veg|non[ -]?veg|hot|cold|male|female|kids|adults|today|tomorrow)"
)
"""Remarks that people write in brackets after a word: ``List(Pending)``, ``Some(Veg)``."""
_OTHERS: Final = (
    r"\A\$D_[0-9]{9,13}\Z|\[object [A-Z]|\[Object: null|\A\[(?:Async)?Function(?:: \w{1,60}| \(anonymous\))\]\Z"
    r"|#<(?:Object|[A-Z][\w:.]{0,60}:0x[0-9a-f]{2,16})[ >]|\A#<[A-Z][\w:]{0,60} \w{1,40}: [^\n]{0,200}>\Z"
    r"|\Amap\[(?:\w{1,60}:[^\n]{0,200})?\]\Z|\AArray\Z|<!\[CDATA\["
    r"|\AOptional(?:\([0-9][0-9.]{1,19}\)|\.empty)\Z"  # Swift, Java
    rf"|\A(?:Some|ArrayBuffer|WrappedArray)\((?!{_REMARK}\))[^()\n]{{2,60}}\)\Z"  # Scala
    rf"|\AList\((?!{_REMARK}\))[^\W\d_]{{2,40}}(?:, [^\W\d_]{{2,40}}){{0,9}}\)\Z"
    r"|\Akotlin\.(?:Unit|Any|Nothing|Pair|collections\.\w{1,40})\Z"
    r"|\A\[+[A-Z](?:[\w.$]{1,60};)?@[0-9a-f]{4,8}\Z|\A(?:[a-z]\w{0,40}\.){2,8}[A-Z]\w{0,60}@[0-9a-f]{4,8}\Z"
    r"|\ASystem\.(?:__ComObject|Data|String|Object|Int[0-9]{2}|Decimal|Double|Single|Boolean|Byte|Char|DateTime"
    r"|DateTimeOffset|TimeSpan|DBNull|Guid|Uri|Nullable|Collections|Linq|Xml|Threading|Text|Net|Web|IO|Reflection"
    r"|Dynamic|Exception|Func|Action|Tuple|ValueTuple|Windows|Drawing|Numerics)(?:\.[A-Z_]\w{1,40}){0,4}"
    r"(?:`[^\n]{1,200}|\[\])?\Z"
)
is_program_object = re.compile(f"{_PYTHON}|{_QUOTED_ARGUMENT}|{_WITH_FIELDS}|{_IN_ANGLES}|{_OTHERS}").search
"""Return a match if a text is certainly the text of a program's object."""
PLAIN_SIGNS: tuple[str, ...] = ("dtype: ", "system.", "np.", "numpy.", "pd.", "datetime.", "kotlin.", "optional.")
"""Texts in small letters, one of which stands in each such text that consists of letters, digits and signs of prose."""
PLAIN_SIGNS += ("objectid(", "some(", "list(", "optional(", "buffer(", "array(", "numberlong(", "numberint(")
PLAIN_SIGNS += ("numberdecimal(",)
