from typing import Any

import pytest
from kombu.common import ignore_errors
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError

from times_dispatch.broker.app import celery_app
from times_dispatch.broker.redis_transports import SkippingSentinelTransport, SkippingTransport
from times_dispatch.settings.model import Settings


@pytest.mark.parametrize(
    ("url", "transport"),
    [
        ("redis://127.0.0.1:1/0", SkippingTransport),
        ("rediss://127.0.0.1:1/0", SkippingTransport),
        ("redis+sentinel://127.0.0.1:1/0?master=dispatch", SkippingSentinelTransport),
    ],
)
def test_every_way_to_redis_drops_what_is_no_message(url: str, transport: type[kombu_redis.Transport]) -> None:
    app = celery_app(Settings(redis_url=url, broker_url=url))
    assert app.connection_for_read().get_transport_cls() is transport
    assert app.connection_for_write().clone().get_transport_cls() is transport


def test_a_connection_that_is_lost_while_a_message_is_unacknowledged_is_closed_without_an_error(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Do the steps of Celery's consumer, which collects the connection and closes it afterwards."""
    connection = celery_app(Settings(redis_url=redis_url, broker_url=redis_url)).connection_for_read()
    channel: Any = connection.default_channel
    with connection.SimpleQueue("lost") as queue:
        queue.put({})
    assert channel.basic_get("lost", no_ack=False)

    def lost(**_options: Any) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(channel, "_in_poll", object())
    monkeypatch.setattr(channel, "_brpop_read", lost)
    connection.collect(socket_timeout=1.0)
    assert not channel.closed
    monkeypatch.setattr(channel, "_in_poll", None)
    ignore_errors(connection, connection.close)
    assert channel.closed
