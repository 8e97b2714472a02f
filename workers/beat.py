"""The Celery app of beat: ``celery -A workers.beat beat``. It needs the address of the broker, and no other secret."""

import atexit
from typing import Any

from celery import signals

from times_dispatch.broker.app import UPKEEP_TASK, celery_app
from times_dispatch.broker.heartbeat_thread import HeartbeatThread
from times_dispatch.broker.queues import UPKEEP_QUEUE
from times_dispatch.ledger.heartbeats import ProcessKind
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit

_UPKEEP_EVERY_S = 1.0

settings = load_settings_or_exit(Need.LEDGER)
app = celery_app(settings)
app.conf.beat_schedule = {
    UPKEEP_TASK: {
        "task": UPKEEP_TASK,
        "schedule": _UPKEEP_EVERY_S,
        "options": {"queue": UPKEEP_QUEUE, "expires": 5.0},
    }
}


def _start_heartbeats(**_: Any) -> None:
    heartbeats = HeartbeatThread(settings.redis_url, ProcessKind.BEAT, path=settings.heartbeat_path)
    heartbeats.start()
    atexit.register(heartbeats.stop)


signals.beat_init.connect(_start_heartbeats, weak=False)
