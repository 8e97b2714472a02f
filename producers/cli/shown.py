"""A campaign as programs get it (``--json``): names and numbers, nothing of any recipient."""

from typing import Any

from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.suppression import WORDS


def as_json(view: CampaignView) -> dict[str, Any]:
    """Return a campaign as one flat object; times are epoch milliseconds, 0 if they have not come."""
    plan = view.plan
    return {
        "id": view.id,
        "name": plan.name,
        "sender": plan.sender,
        "template": plan.template,
        "provider": plan.provider,
        "state": view.state.value,
        "reason": view.reason,
        "total": view.total,
        "batches": view.batches,
        "states": {state.label: number for state, number in view.counts.items()},
        "identity_holds": view.identity_holds,
        "parts": view.parts,
        "codes": view.codes,
        "suppressed": {
            words: number for code, words in WORDS.items() if (number := view.codes.get(f"suppressed:{code}"))
        },
        "stats": view.stats,
        "created_ms": view.created_ms,
        "sealed_ms": view.sealed_ms,
        "start_at_ms": plan.start_at_ms,
        "valid_until_ms": plan.valid_until_ms,
        "first_let_go_ms": view.first_let_go_ms,
        "last_let_go_ms": view.last_let_go_ms,
        "finished_ms": view.finished_ms,
    }
