"""The Celery app of beat: ``celery -A workers.beat beat``. Beat needs only the addresses of Redis and of the broker.

Two or more beats may run: one of them works, and another beat takes over when the working beat ends
(``ledger/beat_lease.py``).
"""

import atexit
import gc
from typing import Any

from celery import signals

from times_dispatch.broker.app import UPKEEP_TASK, celery_app
from times_dispatch.broker.beat_scheduler import lease_scheduler
from times_dispatch.broker.heartbeat_thread import HeartbeatThread
from times_dispatch.broker.queues import UPKEEP_QUEUE
from times_dispatch.ledger.beat_lease import BeatLease
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit

_UPKEEP_EVERY_S = 1.0

settings = load_settings_or_exit(Need.LEDGER)
lease = BeatLease()
app = celery_app(settings)
app.conf.beat_scheduler = lease_scheduler(lease)
app.conf.beat_schedule_filename = ""  # no file, unless --schedule names one
app.conf.beat_schedule = {
    UPKEEP_TASK: {
        "task": UPKEEP_TASK,
        "schedule": _UPKEEP_EVERY_S,
        # Celery compares the clocks of two hosts, which may differ by a minute; workers also ask Redis for its time.
        "options": {"queue": UPKEEP_QUEUE, "expires": 180.0},
    }
}


def _start_heartbeats(**_: Any) -> None:
    gc.freeze()  # otherwise the end of the process would scan all loaded modules: on a busy machine, for seconds
    heartbeats = HeartbeatThread(settings.redis_url, ProcessKind.BEAT, path=settings.heartbeat_path, beside=lease.run)
    heartbeats.start()
    atexit.register(heartbeats.stop)


signals.beat_init.connect(_start_heartbeats, weak=False)
