"""The page Templates: the registered texts, with problems that portals or operators may reject."""

from starlette.responses import Response

from console.access import page
from console.visit import Visit
from producers.registry.lint import lint
from producers.registry.validation import template_problems
from times_dispatch.console_users import ConsoleRole
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.templates import Template


async def show_templates(visit: Visit) -> Response:
    """Show all templates of the settings; templates with problems come first."""
    words, rows = visit.query("q")[:64].casefold(), []
    for name, item in visit.settings.templates.items():
        if words and words not in f"{name} {item.text} {item.content_id} {' '.join(item.headers)}".casefold():
            continue
        findings = lint(name, visit.settings)
        problems = [
            *template_problems(name, visit.settings),
            *(str(finding) for finding in findings if finding.rule.is_problem),
        ]
        advice = [f"{finding.message} ({finding.rule.source})" for finding in findings if not finding.rule.is_problem]
        slots = [slot.kind for slot in Template(item.text, item.operator).slots]
        rows.append((name, item, slots, measure(item.text), problems, advice))
    rows.sort(key=lambda row: (not row[4], row[0]))
    return visit.page(
        "templates.html",
        rows=rows,
        words=visit.query("q")[:64],
        total=len(visit.settings.templates),
        with_problems=sum(bool(row[4]) for row in rows),
    )


ROUTES = (page("/templates", show_templates, role=ConsoleRole.OPERATOR),)
