"""The start of every process: loads the settings and sets up the logs, or exits with 2."""

import sys

import structlog

from times_dispatch.settings import logs
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import Need, load_from_environment
from times_dispatch.settings.model import Settings
from times_dispatch.visible_text import visible

log = structlog.get_logger(__name__)


def load_settings_or_exit(*needs: Need) -> Settings:
    """Load the settings that a process needs, set up the logs, and log the warnings of the settings.

    Args:
        needs: the secrets and addresses that must be given; without an argument, all except Flower's login.

    Raises:
        SystemExit: the settings have mistakes, which were written to stderr, one a line. The exit code is 2.
    """
    try:
        settings = load_from_environment(frozenset(needs)) if needs else load_from_environment()
    except SettingsInvalid as invalid:
        sys.stderr.writelines(f"{visible(mistake)}\n" for mistake in invalid.mistakes)
        sys.exit(2)
    logs.configure(json=settings.logs.as_json, level=settings.logs.level)
    for warning in settings.warnings:
        log.warning("settings", warning=warning)
    return settings
