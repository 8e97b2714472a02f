"""Flower with this project's settings: ``python -m times_dispatch.broker.flower [--allow-control] [Flower's options]``.

Flower needs the broker and its own password. It needs no tasks and no other secret, so it does not load the workers'
app. The password comes from the environment or a file, and is never part of a command line.
"""

import gc
import sys
from collections.abc import Sequence

import flower.options  # type: ignore[import-untyped]  # noqa: F401  # defines the options that are set below
from tornado.options import options

from times_dispatch.broker.app import celery_app
from times_dispatch.broker.flower_log import bound_log_lines
from times_dispatch.broker.flower_routes import restrict
from times_dispatch.broker.flower_server import serve_in_turns
from times_dispatch.broker.heartbeat_thread import HeartbeatThread
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.settings.load import Need
from times_dispatch.settings.startup import load_settings_or_exit

COLUMNS = "name,state,result,args,received,runtime,worker"
"""The order of the columns: a campaign's row begins with "campaign", PROGRESS, the campaign's progress and its name."""

_ALLOW_CONTROL = "--allow-control"


def main(arguments: Sequence[str]) -> int:
    """Run Flower until a signal stops it; exit with 2 if the settings are wrong."""
    settings = load_settings_or_exit(Need.LEDGER, Need.FLOWER)
    app = celery_app(settings)
    options.basic_auth = [str(settings.flower_basic_auth)]
    options.tasks_columns = COLUMNS
    options.purge_offline_workers = 60
    options.address = "127.0.0.1"  # Flower's own default is to listen on every address
    allow_control = _ALLOW_CONTROL in arguments
    options.enable_events = allow_control  # workers send their events unasked
    restrict(allow_control=allow_control)
    bound_log_lines()
    serve_in_turns()
    gc.freeze()  # otherwise the garbage collector looks through all loaded modules, for tens of milliseconds each time
    with HeartbeatThread(settings.redis_url, ProcessKind.FLOWER):
        app.start(["flower", *(argument for argument in arguments if argument != _ALLOW_CONTROL)])
    return 0  # type: ignore[unreachable]  # the stubs say that the call never returns, but the call returns


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
