import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from times_dispatch.broker.app import celery_app
from times_dispatch.broker.skipping_consumer import SkippingConsumer
from times_dispatch.settings.model import Settings

_URL = "redis://127.0.0.1:1/0"
_RABBITMQ = "amqp://guest:guest@127.0.0.1:1//"


def test_celery_workers_use_the_consumer_that_drops_messages() -> None:
    app = celery_app(Settings(redis_url=_URL, broker_url=_URL))
    module, _, name = app.conf.worker_consumer.partition(":")
    assert (module, name) == (SkippingConsumer.__module__, SkippingConsumer.__name__)


@pytest.mark.processes
def test_a_process_that_only_wakes_workers_loads_no_code_of_celery_workers() -> None:
    code = "import sys, producers.submit; print([name for name in sys.modules if name.startswith('celery.worker')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout == "[]\n"


def test_an_acknowledged_message_after_a_reconnect_uses_the_connection_in_no_thread_of_the_pool() -> None:
    app = celery_app(Settings(redis_url=_URL, broker_url=_RABBITMQ))
    qos = Mock(_mutex=threading.Lock(), value=3)
    restarted: Any = SimpleNamespace(
        app=app, qos=qos, max_prefetch_count=200, _new_prefetch_count=4, _maximum_prefetch_restored=False
    )
    # Celery calls this in the thread that acknowledges a message.
    cast("Any", SkippingConsumer)._restore_prefetch_count_after_connection_restart(restarted, None)
    qos.set.assert_not_called()
