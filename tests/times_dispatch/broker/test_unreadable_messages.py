import pytest
from kombu.transport import redis as kombu_redis

from times_dispatch.broker.app import celery_app
from times_dispatch.broker.unreadable_messages import SkippingSentinelTransport, SkippingTransport
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
