import subprocess
import sys

import pytest

from times_dispatch.broker.app import celery_app
from times_dispatch.broker.skipping_consumer import SkippingConsumer
from times_dispatch.settings.model import Settings

_URL = "redis://127.0.0.1:1/0"


def test_celery_workers_use_the_consumer_that_drops_messages() -> None:
    app = celery_app(Settings(redis_url=_URL, broker_url=_URL))
    module, _, name = app.conf.worker_consumer.partition(":")
    assert (module, name) == (SkippingConsumer.__module__, SkippingConsumer.__name__)


@pytest.mark.processes
def test_a_process_that_only_wakes_workers_loads_no_code_of_celery_workers() -> None:
    code = "import sys, producers.submit; print([name for name in sys.modules if name.startswith('celery.worker')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout == "[]\n"
