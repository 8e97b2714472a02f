"""The push of one message: renders it, calls the provider's client, and passes the result to the recorder."""

from collections.abc import Sequence

from times_dispatch.provider.client import Client
from times_dispatch.provider.failures import TOO_LATE, Failure
from times_dispatch.provider.outcomes import Outcome, Verdict
from workers.batch.batch_run import BatchRun
from workers.batch.message_result import MessageResult, never_begun
from workers.batch.push_queue import QueuedPush
from workers.batch.recorder import Recorder
from workers.batch.renderer import MessageRenderer

_CUT_SHORT = Outcome(
    verdict=Verdict.IN_DOUBT, code=Failure.WORKER_LOST.value, reason="the push was cut short by a stop"
)


class Pusher:
    """Pushes the messages of one batch when the push queue says so (``push_queue.PushHandler``)."""

    def __init__(
        self,
        clients: Sequence[Client | None],
        *,
        renderer: MessageRenderer,
        recorder: Recorder,
        run: BatchRun,
        is_urgent: bool = False,
    ) -> None:
        """Make the pusher of a batch.

        Args:
            clients: the client of each provider of the campaign's chain, in the order of the chain; None for a provider
                that this process does not know.
            renderer: renders the messages of the batch.
            recorder: gets the result of each message.
            run: the run of the batch; it says whether a push may start.
            is_urgent: whether the messages of the batch overtake all others.
        """
        self.is_urgent = is_urgent
        self._clients = clients
        self._renderer = renderer
        self._recorder = recorder
        self._run = run

    async def push(self, queued: QueuedPush) -> None:
        """Push one message, unless the batch may no longer push; in every case pass one result to the recorder."""
        outcome: Outcome | None = None
        parts = 0
        try:
            push, parts = self._renderer.push(queued.message_index, queued.attempt)
            client = self._clients[queued.chain_index]
            if client and self._run.may_push(queued.start_by):
                outcome = _CUT_SHORT  # holds if the client does not return: the message may have been sent
                outcome = await client.push(push, may_begin=lambda: self._run.may_push(queued.start_by))
                outcome = None if outcome is TOO_LATE else outcome  # no connection in time: no push was begun
        finally:
            self._recorder.add(MessageResult(queued.message_index, queued.block, outcome, parts, queued.chain_index))

    def return_unsent(self, queued: QueuedPush) -> None:
        """Record that the push of a message was never begun.

        While this worker holds the lease, the ledger makes the message pending again. After the lease was lost, the
        ledger refuses the result.
        """
        self._recorder.add(never_begun(queued.message_index, queued.block, queued.chain_index))

    def fail(self, error: BaseException) -> None:
        """End the run of the batch after an unexpected error of a push."""
        self._run.fail(error)
