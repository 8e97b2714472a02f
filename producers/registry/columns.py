"""The names of the columns of DLT portals' downloads, which differ from portal to portal."""

import re
from collections.abc import Mapping, Sequence

CONTENT_ID = (
    "templateid",
    "dlttemplateid",
    "contenttemplateid",
    "dltcontenttemplateid",
    "contentid",
    "dltcontentid",
    "dltid",
    "templateregistrationid",
    "smstemplateid",
    "dlttemplatecode",
    "templatecode",
    "registeredtemplateid",
    "dltteid",
    "teid",
    "dltcontentregistrationid",
    "ctid",
    "tempid",
    "tid",
    "templateno",
    "templateidentifier",
    "uniqueid",
    "id",
)
TEXT = (
    "templatecontent",
    "templatemessage",
    "templatetext",
    "templatebody",
    "contenttemplate",
    "messagecontent",
    "smscontent",
    "content",
    "message",
    "text",
    "template",
    "smstemplate",
    "smstext",
    "smsbody",
    "messagetext",
    "messagebody",
    "messagetemplate",
    "templatemsg",
    "templatemessagecontent",
    "approvedcontent",
    "approvedtemplate",
    "approvedtext",
    "body",
    "contentmessage",
    "dltcontent",
    "dlttemplate",
    "dlttemplatecontent",
    "contenttemplatemessage",
    "templatecontents",
    "contents",
    "msg",
    "sms",
    "textmessage",
    "templatedescription",
    "samplemessage",
    "messageformat",
    "registeredcontent",
    "registeredtext",
    "communicationtext",
)
NAME = (
    "templatename",
    "contenttemplatename",
    "dlttemplatename",
    "name",
    "nameoftemplate",
    "templatetitle",
    "templatelabel",
    "contentname",
    "title",
    "label",
)
HEADERS = (
    "header",
    "headers",
    "headername",
    "headernames",
    "senderid",
    "senderids",
    "sender",
    "senders",
    "cli",
    "mappedheaders",
    "headerid",
    "headerids",
    "assignedheader",
    "assignedheaders",
    "linkedheader",
    "linkedheaders",
    "mappedheader",
    "associatedheaders",
    "senderidheader",
    "headercli",
    "sendername",
    "dltheader",
    "smsheader",
    "clis",
    "headerlist",
    "sid",
    "from",
)
ENTITY = (
    "principalentityid",
    "entityid",
    "peid",
    "dltentityid",
    "principalentity",
    "principalentityidpeid",
    "peidno",
    "pe",
    "dltpeid",
    "entity",
    "principleentityid",
)
STATUS = (
    "status",
    "approvalstatus",
    "templatestatus",
    "registrationstatus",
    "dltstatus",
    "approvalstate",
    "currentstatus",
    "templateapprovalstatus",
    "state",
    "statusoftemplate",
    "statusondlt",
    "dltapprovalstatus",
)
CATEGORY = (
    "templatetype",
    "templatecategory",
    "contenttype",
    "communicationtype",
    "messagetype",
    "smstype",
    "type",
    "category",
    "contentcategory",
    "servicetype",
    "traffictype",
    "communicationcategory",
    "typeofcommunication",
    "typeofmessage",
    "typeoftemplate",
    "typeofsms",
    "communication",
    "dlttype",
    "dltcategory",
    "categorytype",
    "smscategory",
    "msgtype",
    "templateclass",
    "route",
)
"""Portals disagree on what these columns mean: ``Template Type`` is a category at one portal, and TEXT or UNICODE at
another. The first of the columns that holds a category decides."""

OPERATOR = (
    "operator",
    "operatorname",
    "tsp",
    "telco",
    "accessprovider",
    "dltplatform",
    "dltportal",
    "platform",
    "portal",
    "createdby",
    "registeredvia",
)

FIELDS = {
    "id": CONTENT_ID,
    "content": TEXT,
    "name": NAME,
    "header": HEADERS,
    "entity": ENTITY,
    "status": STATUS,
    "category": CATEGORY,
    "operator": OPERATOR,
}
"""The fields to which ``--column`` may assign a column, with the known names of such columns."""

_WORDS = {
    "id": ("templateid", "templatereg", "registrationid"),
    "content": ("templatecontent", "messagecontent", "smscontent"),
    "header": ("header", "senderid"),
    "entity": ("entityid", "peid", "enterpriseid"),
    "status": ("status", "approval"),
    "category": ("category", "communicationtype", "templatetype"),
    "name": ("templatename", "nameofthetemplate"),
}
"""Words by which a column with a longer name is recognised, if no other column has such a word.

Without the column of the status, rejected templates would be imported.
"""
_OTHER_WORDS = ("date", "time", "reason", "remark", "comment", "consent", "by", "count")
"""Words in names of columns that hold no field: ``Approval Date``, ``Rejection Reason``, ``Consent Template ID``."""
_CONTENT = re.compile(
    r"(?:template|temp|contents?|message|msg|text|body|sms|dlt|approved|registered|final|full|of|the)+"
)
"""Names of columns of texts, made up of several such words: ``SMS Template Text``, ``Content of Template``."""
_IN_BRACKETS = re.compile(r"\([^()]*\)")


def by_words(field: str, indexes: Mapping[str, int]) -> list[int]:
    """Return the indexes of the columns whose names contain a word for a field, or consist of words for texts."""
    columns = {
        index
        for name, index in indexes.items()
        if (any(word in name for word in _WORDS.get(field, ())) and not any(word in name for word in _OTHER_WORDS))
        or (field == "content" and _CONTENT.fullmatch(name))
    }
    return sorted(columns)


def indexes(names: Sequence[str]) -> dict[str, int]:
    """Return the indexes of columns by the letters and digits of their names; the first of two equal names counts.

    Brackets in a name, as in ``Template ID (DLT)``, are ignored, unless another column has the name without brackets.
    """
    indexed = list(enumerate(names))[::-1]
    short = {_letters(_IN_BRACKETS.sub("", name)): index for index, name in indexed}
    return short | {_letters(name): index for index, name in indexed}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
