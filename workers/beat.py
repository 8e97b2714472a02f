"""The Celery app of beat: ``celery -A workers.beat beat``. It needs the address of the broker, and no other secret."""

from times_dispatch.broker.app import UPKEEP_QUEUE, UPKEEP_TASK, celery_app
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit

_UPKEEP_EVERY_S = 1.0

app = celery_app(load_settings_or_exit(Need.LEDGER))
app.conf.beat_schedule = {
    UPKEEP_TASK: {
        "task": UPKEEP_TASK,
        "schedule": _UPKEEP_EVERY_S,
        "options": {"queue": UPKEEP_QUEUE, "expires": 5.0},
    }
}
