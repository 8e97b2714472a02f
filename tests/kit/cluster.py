"""Names of hash tags on different primaries of a cluster."""

from collections.abc import Iterable

from redis.crc import key_slot

from times_dispatch.demo.redis_cluster import SLOTS


def one_tag_each(names: Iterable[str], *, primaries: int = 3) -> list[str]:
    """Return one name for each primary of a new cluster; the hash tag of each name is on the name's primary."""
    chosen: dict[int, str] = {}
    for name in names:
        chosen.setdefault(key_slot(name.encode()) * primaries // SLOTS, name)
    assert len(chosen) == primaries
    return [chosen[primary] for primary in range(primaries)]
