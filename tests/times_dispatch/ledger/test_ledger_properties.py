"""Property tests of the ledger's scripts: random interleavings, compared with a reference model after each step.

Several workers act, some of them after losing their leases; reports of every kind arrive at any time; people pause,
cancel and resolve; upkeep runs; calls are repeated late; and the server loses its last seconds of writes.
``LEDGER_EXAMPLES=3000 pytest tests/times_dispatch/ledger/test_ledger_properties.py`` tries more examples and shrinks a
failure.
"""

import asyncio
import os
from typing import cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.kit.ledger import Ledger
from tests.kit.ledger_machine.clock import machine_clock
from tests.kit.ledger_machine.machine import LedgerMachine
from tests.kit.ledger_machine.recorded_calls import recorded_calls
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.maintenance import Maintenance

LONGER = os.environ.get("LEDGER_EXAMPLES")
EXAMPLES = int(LONGER or min(20, settings().max_examples))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if LONGER else [])]
STEPS = 3
LEASE_S = 100 * 86_400
"""Leases end only when the state machine of the test ends them."""


def test_no_sequence_breaks_the_sum_of_the_counters_opens_twice_or_loses_a_message(
    redis_server: EmbeddedServer,
) -> None:
    loop = asyncio.new_event_loop()
    redis = connect(redis_server.url)
    try:
        with machine_clock(redis) as clock, recorded_calls() as calls:
            ledger = Ledger(redis)
            ledger.leases = BatchLeases(redis, lease_s=LEASE_S, clock=clock)
            ledger.maintenance = Maintenance(redis, lease_s=LEASE_S)
            run_state_machine_as_test(
                cast(
                    "type[RuleBasedStateMachine]",
                    lambda: LedgerMachine(ledger, clock, calls, loop.run_until_complete),
                ),
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    phases=PHASES,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        loop.run_until_complete(redis.aclose())
        loop.close()
