"""What a process is told from outside: ``dispatch.toml`` and the environment in, one valid ``Settings`` out.

Every process calls ``load_from_environment`` once, at its start, and ``logs.configure``; nothing further in reads the
environment. ``broker`` holds what all of them have to agree on about Celery.
"""

from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import ALL_BUT_FLOWER, Need, load, load_from_environment
from times_dispatch.settings.model import Settings

__all__ = ["ALL_BUT_FLOWER", "Need", "Settings", "SettingsInvalid", "load", "load_from_environment"]
