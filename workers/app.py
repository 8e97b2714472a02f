"""The Celery app of a worker: ``celery -A workers.app worker``."""

from times_dispatch.broker.app import QueueOrder, celery_app
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit
from workers.process import WorkerProcess, bootstep
from workers.tasks import register

settings = load_settings_or_exit(Need.LEDGER, Need.IDS, Need.PROVIDERS, Need.ARCHIVE)
app = celery_app(settings)
app.conf.worker_pool = "times_dispatch.broker.thread_pool:TaskPool"
app.conf.worker_concurrency = 200
# A Redis without memory, or one that became a replica, refuses commands for a while: a worker waits for it.
app.conf.broker_channel_error_retry = True
# Without this setting Celery warns at every lost connection. It concerns late acknowledgement, which is not used here.
app.conf.worker_cancel_long_running_tasks_on_connection_loss = True
process = WorkerProcess(app, settings)
register(app, process)
QueueOrder.is_full = staticmethod(process.is_full)
app.steps["worker"].add(bootstep(process))
