"""The columns of a DLT portal's download: every portal names them in its own way."""

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
"""The fields that ``--column`` may assign a column to, and the known names of such columns."""

_WORDS = {
    "id": ("templateid", "templatereg", "registrationid"),
    "content": ("templatecontent", "messagecontent", "smscontent"),
    "header": ("header", "senderid"),
    "entity": ("entityid", "peid", "enterpriseid"),
    "status": ("status", "approval"),
    "category": ("category", "communicationtype"),
    "name": ("templatename", "nameofthetemplate"),
}
"""Words that make a column with a longer name known, if no other has one of them too.

A status that is not found would let rejected rows in.
"""
_OTHER_WORDS = ("date", "time", "reason", "remark", "comment", "consent", "by", "count")
"""Words in names that only mention a field: ``Approval Date``, ``Rejection Reason``, ``Consent Template ID``."""
_IN_BRACKETS = re.compile(r"\([^()]*\)")


def by_words(field: str, indexes: Mapping[str, int]) -> list[int]:
    """Return the indexes of the columns whose names have a word for a field in them."""
    columns = {
        index
        for name, index in indexes.items()
        if any(word in name for word in _WORDS.get(field, ())) and not any(word in name for word in _OTHER_WORDS)
    }
    return sorted(columns)


def indexes(names: Sequence[str]) -> dict[str, int]:
    """Return the indexes of columns by their letters and digits; the first of two equal names counts.

    What stands in brackets, as in ``Template ID (DLT)``, makes no difference where no other column has the name.
    """
    indexed = list(enumerate(names))[::-1]
    short = {_letters(_IN_BRACKETS.sub("", name)): index for index, name in indexed}
    return short | {_letters(name): index for index, name in indexed}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
