"""The Celery app: ``celery -A workers.app worker``, ``… beat``, ``… flower``."""

import sys

from settings.broker import celery_app
from settings.load import load_from_environment
from settings.mistakes import SettingsInvalid
from workers.process import WorkerProcess, step
from workers.tasks import register

try:
    settings = load_from_environment()
except SettingsInvalid as invalid:
    sys.exit(str(invalid))

app = celery_app(settings)
app.conf.worker_pool = "workers.pool:TaskPool"
app.conf.worker_concurrency = 200
process = WorkerProcess(app, settings)
register(app, process)
app.steps["worker"].add(step(process))
