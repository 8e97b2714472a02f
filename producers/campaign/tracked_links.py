"""A campaign's ``links`` table: the targets of tracked links. Variables name a link in the same way as a column.

variables = ["{name}", "{offer}"]
links = { offer = "https://shop.example/sale?u={customer}" }
"""

import re
from collections.abc import Iterator, Sequence

from producers.campaign.table import CampaignTable
from producers.errors import InputInvalid
from producers.recipients import Heading
from producers.rows.link_columns import LinkColumns, Target
from producers.rows.variables import Variable, VariableInvalid, replace_placeholders, split_placeholders
from times_dispatch.ledger.model import LinkTarget, TrackedLinks
from times_dispatch.links.codes import MAX_LINKS, placeholder
from times_dispatch.links.targets import target_problem
from times_dispatch.settings.model import Settings
from times_dispatch.settings.toml.document import Document

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


class CampaignLinks:
    """The tracked links of one campaign file; raises InputInvalid with every mistake in them."""

    def __init__(self, table: CampaignTable, settings: Settings, document: Document) -> None:
        self.prefix = f"{settings.links.url}/{table.sender}/"
        """The beginning of each link in the texts."""
        self._document = document
        self._names = list(table.links)
        self._has_opt_out = table.opt_out_link
        self._written = {name: self.prefix + placeholder(number) for number, name in enumerate(self._names)}
        self._placeholders: list[str] = []
        """The texts between the braces of the targets, without repetitions."""
        self._targets: list[Target] = []
        mistakes = [*self._mistakes_of_table(table, settings), *self._mistakes_of_targets(table)]
        if mistakes:
            raise InputInvalid(*mistakes)

    def put_into(self, table: CampaignTable) -> CampaignTable:
        """Return the campaign's table with links in place of their names in ``variables`` and ``text``.

        In these links, other characters stand in place of the codes, so that the links have their final length.
        """
        if not self._names:
            return table
        update: dict[str, object] = {}
        if table.variables is not None:
            update["variables"] = [replace_placeholders(text, self._written) for text in table.variables]
        if table.text is not None:
            update["text"] = replace_placeholders(table.text, self._written)
        return table.model_copy(update=update)

    def whitelist_mistakes(self, missing: Sequence[str]) -> Iterator[str]:
        """Return a mistake if the campaign's links are among *missing*, the links that are not whitelisted."""
        if set(missing) & set(self._written.values()):
            reason = f"{self.prefix} is not whitelisted; add it to the links of the template or of the sender"
            yield self._document.mistake(("links",), reason)

    @property
    def written(self) -> list[str]:
        """The links in the texts, with other characters in place of their codes."""
        return list(self._written.values())

    def bind(self, heading: Heading) -> LinkColumns:
        """Bind the placeholders of the targets to columns; raise InputInvalid with every mistake."""
        mistakes = [
            self._document.mistake(("links", name), f"{heading.path.name} also has a column {name}; rename the link")
            for name in self._names
            if heading.index(name) is not None
        ]
        variables: list[Variable] = []
        for text in self._placeholders:
            try:
                variables.append(Variable(f"{{{text}}}", heading))
            except VariableInvalid as invalid:
                mistakes.append(self._document.mistake(("links",), str(invalid)))
        if mistakes:
            raise InputInvalid(*mistakes)
        return LinkColumns(self._targets, variables)

    def plan(self) -> TrackedLinks | None:
        """Return the links for workers and the links process; the submit adds the number and the key."""
        if not self._names:
            return None
        targets = [LinkTarget(target.name, list(target.literals), list(target.variables)) for target in self._targets]
        return TrackedLinks(prefix=self.prefix, targets=targets, key_digest="", has_opt_out=self._has_opt_out)

    def _mistakes_of_table(self, table: CampaignTable, settings: Settings) -> Iterator[str]:
        mistake = self._document.mistake
        if not self._names:
            if table.opt_out_link:
                yield mistake(("opt_out_link",), "needs a tracked link: links = { … }")
            return
        if not settings.links.url:
            yield mistake(("links",), 'needs a domain in the settings: [links] url = "https://go.brand.in"')
        if len(self._names) > MAX_LINKS:
            yield mistake(("links",), f"has {len(self._names)} links, {MAX_LINKS} are allowed")
        if table.opt_out_link and not settings.optouts.stop_words:
            yield mistake(("opt_out_link",), "needs stop_words in the settings, in [optouts]")
        texts = [table.text] if table.text is not None else table.variables or []
        for name in self._names:
            if not _NAME.fullmatch(name):
                yield mistake(("links", name), "must be a letter, then letters, digits, - or _, at most 32 in all")
            elif not any(replace_placeholders(text, {name: ""}) != text for text in texts):
                yield mistake(("links", name), f"is in no text: write {{{name}}} at the place of the link")

    def _mistakes_of_targets(self, table: CampaignTable) -> Iterator[str]:
        for name, text in table.links.items():
            try:
                literals, placeholders = split_placeholders(text)
            except VariableInvalid as invalid:
                yield self._document.mistake(("links", name), str(invalid))
                continue
            if problem := target_problem(literals):
                yield self._document.mistake(("links", name), problem)
            self._placeholders += [written for written in placeholders if written not in self._placeholders]
            indexes = [self._placeholders.index(written) for written in placeholders]
            self._targets.append(Target(name, literals, indexes))
