"""A campaign's ``[custom]`` table: values of the provider's own placeholders, constant or taken from columns."""

from collections.abc import Iterator, Mapping, Sequence

from producers.errors import InputInvalid
from producers.recipients import Heading
from producers.rows.custom_values import NOT_A_HEADER_VALUE, CustomColumns
from producers.rows.variables import Variable, VariableInvalid, has_placeholders
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import custom_names, names_in_headers, needed_of_campaigns
from times_dispatch.provider.request.byte_template import HEADER_VALUE
from times_dispatch.settings.errors import closest
from times_dispatch.settings.toml.document import Document


class CustomValues:
    """The custom values of one campaign, checked against every provider that its messages may go through.

    Raises InputInvalid with every mistake: a name that no provider uses, a missing name that a provider needs, and a
    constant that cannot be sent in an HTTP header.
    """

    def __init__(self, texts: Mapping[str, str], providers: Sequence[Provider], document: Document) -> None:
        self._texts = texts
        self._document = document
        self._in_headers = frozenset[str]().union(*map(names_in_headers, providers))
        mistakes = [*_unknown(texts, providers, document), *_missing(texts, providers, document)]
        for name, value in self.constants.items():
            if name in self._in_headers and not HEADER_VALUE.fullmatch(value):
                mistakes.append(document.mistake(("custom", name), NOT_A_HEADER_VALUE))
        if mistakes:
            raise InputInvalid(*mistakes)

    @property
    def constants(self) -> dict[str, str]:
        """The values that are equal for all messages, by name."""
        return {
            name: text.replace("{{", "{").replace("}}", "}")
            for name, text in self._texts.items()
            if not has_placeholders(text)
        }

    def bind(self, heading: Heading) -> CustomColumns:
        """Bind the values with ``{column}`` placeholders to columns; raise InputInvalid with every mistake."""
        mistakes: list[str] = []
        bound: dict[str, Variable] = {}
        for name, text in self._texts.items():
            if has_placeholders(text):
                try:
                    bound[name] = Variable(text, heading)
                except VariableInvalid as invalid:
                    mistakes.append(self._document.mistake(("custom", name), str(invalid)))
        if mistakes:
            raise InputInvalid(*mistakes)
        return CustomColumns(bound, in_headers=self._in_headers)


def _unknown(texts: Mapping[str, str], providers: Sequence[Provider], document: Document) -> Iterator[str]:
    known = {name for provider in providers for name in custom_names(provider)}
    nicknames = " or ".join(provider.nickname for provider in providers)
    for name in texts:
        if name not in known:
            reason = f"there is no $${name} in the payload of {nicknames}{closest(name, known)}"
            yield document.mistake(("custom", name), reason)


def _missing(texts: Mapping[str, str], providers: Sequence[Provider], document: Document) -> Iterator[str]:
    for provider in providers:
        for name in needed_of_campaigns(provider):
            if name not in texts:
                reason = f'{name} is missing: provider {provider.nickname} needs {name} = "…", or "{{column}}"'
                yield document.mistake(("custom",), reason)
