"""Pipelines and transactions on a cluster: each goes to the nodes that own the slots of its commands."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from times_dispatch.ledger.cluster.errors import LOST, REDIRECTS, SlotsMixed
from times_dispatch.ledger.cluster.routes import home_slot, may_follow_ask, may_follow_ask_together, slot_of

if TYPE_CHECKING:
    from times_dispatch.ledger.cluster.client import ClusterRedis

IN_ORDER: Final = "in order"
"""The hint of a pipeline whose commands run one slot after the other, in the order of the pipeline. Without the hint
the nodes work at the same time. A single Redis runs every pipeline in order."""

Command = tuple[tuple[Any, ...], Mapping[str, Any]]


class ClusterPipeline(Pipeline):
    """A pipeline of a ``ClusterRedis``.

    Commands of several slots are allowed in a pipeline without transaction. A command without a key (WAIT, TIME) goes
    through the same connection as the command before it. A transaction has keys of one slot. If a node fails, its error
    replaces the replies to the commands of this node.
    """

    def __init__(self, client: "ClusterRedis", *, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._client = client
        self._bound: Any = None
        """The pipeline of the node whose keys are watched."""

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Run WATCH, or a command after WATCH, on the node that has the watched key."""
        if self._bound:
            return await self._bound.immediate_execute_command(*args, **options)

        async def call(node: Any, is_asking: bool) -> Any:
            if is_asking:
                raise exceptions.TryAgainError("TRYAGAIN the hash slot of a watched key is being moved")
            async with AsyncExitStack() as on_failure:
                bound: Any = await on_failure.enter_async_context(node.pipeline(transaction=True))
                reply = await bound.immediate_execute_command(*args, **options)
                on_failure.pop_all()
            self._bound, self.watching = bound, True
            return reply

        return await self._client.at_slot(_one_slot([(args, options)]), call)

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run all commands of the pipeline; return their replies in order."""
        stack: list[Any] = list(self.command_stack)
        try:
            if self._bound:
                return await self._execute_watching(self._bound, stack, raise_on_error)
            if not stack:
                return []
            if self.is_transaction or self.explicit_transaction:
                return await self._execute_in_transaction(stack, raise_on_error)
            replies = await self._execute_by_slot(stack)
            await self._load_and_repeat(stack, replies)
            if raise_on_error:
                for reply in replies:
                    if isinstance(reply, LOST):
                        raise reply
                self.raise_first_error(stack, replies)
            return replies
        finally:
            await self.reset()

    async def reset(self) -> None:  # type: ignore[override]  # as in redis-py's own pipeline
        """Forget all commands, and the watched keys."""
        bound, self._bound = self._bound, None
        if bound:
            await bound.reset()
        await super().reset()  # type: ignore[no-untyped-call]

    async def _execute_watching(self, bound: Any, stack: list[Command], raise_on_error: bool) -> list[Any]:
        bound.explicit_transaction = self.explicit_transaction
        for args, options in stack:
            bound.pipeline_execute_command(*args, **options)
        try:
            return list(await bound.execute(raise_on_error))
        except REDIRECTS as moved:
            raise exceptions.WatchError("the hash slot moved while a key was watched") from moved

    async def _execute_in_transaction(self, stack: list[Command], raise_on_error: bool) -> list[Any]:
        may_ask = may_follow_ask_together([args for args, _ in stack])

        async def call(node: Any, is_asking: bool) -> list[Any]:
            if is_asking and not may_ask:
                raise exceptions.TryAgainError("TRYAGAIN the hash slot is being moved")
            async with node.pipeline(transaction=True) as pipe:
                if is_asking:  # the flag lasts until EXEC
                    await pipe.immediate_execute_command("ASKING")
                for args, options in stack:
                    pipe.pipeline_execute_command(*args, **options)
                return list(await pipe.execute(raise_on_error))

        return await self._client.at_slot(_one_slot(stack), call)

    async def _execute_by_slot(self, stack: list[Command]) -> list[Any]:
        """Run all commands by slot; return for each command its reply or its error."""
        replies: list[Any] = [None] * len(stack)
        slots = _slots(stack)
        groups: list[list[int]] = []
        if self.shard_hint == IN_ORDER:
            for index, slot in enumerate(slots):
                if not groups or slots[groups[-1][0]] != slot:
                    groups.append([])
                groups[-1].append(index)
            for group in groups:
                await self._run_slot(slots[group[0]], group, stack, replies)
            return replies
        await self._run_at_owners(slots, stack, replies)
        again: defaultdict[int, list[int]] = defaultdict(list)
        for index, slot in enumerate(slots):
            if isinstance(replies[index], (*REDIRECTS, *LOST)) or (slot in again and not _keyed(stack[index])):
                again[slot].append(index)
        for slot in again:
            # WAIT counts the writes of its own connection, so all commands before it go through one connection.
            if any(stack[index][0][0] == "WAIT" for index, of_slot in enumerate(slots) if of_slot == slot):
                again[slot] = [index for index, of_slot in enumerate(slots) if of_slot == slot]
        await asyncio.gather(*(self._run_slot(slot, group, stack, replies) for slot, group in again.items()))
        return replies

    async def _run_at_owners(self, slots: Sequence[int], stack: list[Command], replies: list[Any]) -> None:
        """Send all commands to the current owners of their slots, in one round trip to each node."""
        by_node: dict[Redis, list[int]] = {}
        for index, slot in enumerate(slots):
            try:
                node = await self._client.topology.owner(slot)
            except (*LOST, exceptions.ClusterDownError) as error:
                replies[index] = error
            else:
                by_node.setdefault(node, []).append(index)
        await asyncio.gather(*(_run(node, group, stack, replies) for node, group in by_node.items()))

    async def _run_slot(self, slot: int, group: list[int], stack: list[Command], replies: list[Any]) -> None:
        """Run the commands of one slot, and repeat the commands that were not executed until the slot stops moving."""
        with_wait = any(stack[index][0][0] == "WAIT" for index in group)
        pending = list(group)

        async def call(node: Any, is_asking: bool) -> None:
            nonlocal pending
            if is_asking and not all(may_follow_ask(stack[index][0]) for index in pending):
                raise exceptions.TryAgainError("TRYAGAIN the hash slot is being moved")
            await _run(node, pending, stack, replies, is_asking=is_asking)
            not_run = [index for index in pending if isinstance(replies[index], (*REDIRECTS, *LOST))]
            if not_run:
                pending = list(group) if with_wait else not_run
                raise replies[not_run[0]]

        try:
            await self._client.at_slot(slot, call)
        except (*REDIRECTS, *LOST) as error:
            for index in pending:
                replies[index] = error

    async def _load_and_repeat(self, stack: list[Command], replies: list[Any]) -> None:
        """Load the texts of unknown scripts on all nodes, and run again the scripts that a node did not know."""
        texts = {script.sha: script.script for script in self.scripts}
        unknown = [
            index
            for index, (args, _) in enumerate(stack)
            if isinstance(replies[index], exceptions.NoScriptError) and args[1] in texts
        ]
        for sha in {stack[index][0][1] for index in unknown}:
            await self._client.script_load(texts[sha])
        if unknown:
            repeated = await self._execute_by_slot([stack[index] for index in unknown])
            for index, reply in zip(unknown, repeated, strict=True):
                replies[index] = reply


async def _run(
    node: Any, group: Sequence[int], stack: Sequence[Command], replies: list[Any], *, is_asking: bool = False
) -> None:
    """Run commands on a node, in one round trip, and write their replies or errors into *replies*.

    Args:
        node: the client of the node.
        group: the indexes of the commands.
        stack: all commands of the pipeline.
        replies: gets the replies and errors, by the index of the command.
        is_asking: whether ASKING precedes the commands, because the node does not own the slot yet.
    """
    try:
        async with node.pipeline(transaction=False) as pipe:
            for index in group:
                args, options = stack[index]
                if is_asking:
                    pipe.execute_command("ASKING")
                pipe.execute_command(*args, **options)
            of_group = await pipe.execute(raise_on_error=False)
    except LOST as error:
        of_group = [error] * len(group) * (1 + is_asking)
    for index, reply in zip(group, of_group[1::2] if is_asking else of_group, strict=True):
        replies[index] = reply


def _keyed(command: Command) -> bool:
    return slot_of(command[0]) is not None


def _slots(stack: Sequence[Command]) -> list[int]:
    """Return the slot of each command; a command without a key gets the slot of the command before or after it."""
    own = [slot_of(args) for args, _ in stack]
    before = next((slot for slot in own if slot is not None), home_slot())
    slots = list[int]()
    for slot in own:
        before = before if slot is None else slot
        slots.append(before)
    return slots


def _one_slot(stack: Sequence[Command]) -> int:
    slots = {slot for args, _ in stack if (slot := slot_of(args)) is not None}
    if len(slots) > 1:
        raise SlotsMixed(f"a transaction has keys of {len(slots)} hash slots")
    return slots.pop() if slots else home_slot()
