from collections.abc import AsyncIterator

import pytest

from tests.kit.mirror_host import MirrorHost, serving_mirror


@pytest.fixture
async def mirror() -> AsyncIterator[MirrorHost]:
    async with serving_mirror() as host:
        yield host
