import asyncio

import pytest
from redis import exceptions
from redis.asyncio import Redis

from times_dispatch.ledger.errors import (
    CampaignDamaged,
    CampaignUnknown,
    LeaseLost,
    LedgerError,
    SubmissionRefused,
    cluster_trouble,
    damage_of,
    is_transient,
)
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId

CAMPAIGN, SENDER = CampaignId("diwali01"), SenderId("TIMESM")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CampaignUnknown("nobody00"), "campaign nobody00: no campaign has this id or name; `dispatch list` shows"),
        (
            CampaignDamaged(CAMPAIGN, SENDER, "batch 2", done=" (2 of 3)"),
            "campaign diwali01: batch 2: damaged in the ledger; restore it and run the same command again (2 of 3)",
        ),
        (SubmissionRefused(CAMPAIGN, "it is sealed"), "campaign diwali01: it is sealed"),
        (
            LeaseLost(BatchRef(SENDER, CAMPAIGN, 4)),
            "batch 4 of campaign diwali01: the lease has gone to another worker",
        ),
    ],
)
def test_an_error_names_the_campaign_and_what_to_do(error: LedgerError, message: str) -> None:
    assert str(error).startswith(message)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("reset"),
        exceptions.TimeoutError("no answer"),
        exceptions.BusyLoadingError("loading"),
        exceptions.ReadOnlyError("replica"),
        exceptions.OutOfMemoryError("full"),
        exceptions.NoPermissionError("acl"),
        exceptions.AuthenticationError("password"),
        exceptions.ResponseError("ERR max number of clients reached"),
        exceptions.ResponseError("BUSY Redis is busy running a script."),
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots, but it is unable to."),
        exceptions.ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
        exceptions.ClusterDownError("CLUSTERDOWN The cluster is down"),
        exceptions.MasterDownError("MASTERDOWN Link with MASTER is down"),
        exceptions.TryAgainError("TRYAGAIN Multiple keys request during rehashing of slot"),
        exceptions.NoScriptError("NOSCRIPT No matching script."),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        OSError(101, "Network is unreachable"),
    ],
)
def test_an_error_of_a_server_that_is_away_or_refuses_service_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.DataError("None"),
        ValueError("no number"),
        LedgerError(),
        RuntimeError("of our own code"),
        asyncio.CancelledError(),
    ],
)
def test_an_error_of_the_caller_is_not_transient(error: BaseException) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize(
    "script",
    [
        "return redis.call('HGET', KEYS[1], 'field')",
        "return redis.call('GET', 'missing') + 1",
        "return string.rep(nil, 2)",
    ],
)
async def test_a_script_that_fails_because_of_invalid_data_is_not_transient(redis: Redis, script: str) -> None:
    await redis.set("text", "not a hash")
    with pytest.raises(exceptions.ResponseError) as caught:
        await redis.eval(script, 1, "text")
    assert not is_transient(caught.value)


async def test_a_command_on_invalid_data_is_not_transient(redis: Redis) -> None:
    await redis.hset("hash", "count", "many")
    for call in (redis.get("hash"), redis.hincrby("hash", "count")):
        with pytest.raises(exceptions.ResponseError) as caught:
            await call
        assert not is_transient(caught.value)


async def test_a_command_of_a_pipeline_on_invalid_data_is_not_transient(redis: Redis) -> None:
    await redis.hset("hash", "count", "many")
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget("hash", "count")
        pipe.smembers("hash")
        with pytest.raises(exceptions.ResponseError, match="of pipeline") as caught:
            await pipe.execute()
    assert not is_transient(caught.value)


def test_an_error_of_a_pipeline_that_names_wrongtype_only_in_its_command_is_transient() -> None:
    error = "Command # 1 (HSET WRONGTYPE a b) of pipeline caused error: ('READONLY You can't write',)"
    assert is_transient(exceptions.ReadOnlyError(error))


async def test_damaged_data_is_named_by_its_key_where_the_key_is_one_of_a_sender(redis: Redis) -> None:
    keys = {"{TIMESM}:live": "in the key {TIMESM}:live", "{TIMESM}:c:9198": "here", "9198": "here"}
    for key, where in keys.items():
        await redis.set(key, "x")
        async with redis.pipeline(transaction=False) as pipe:
            pipe.smembers(key)
            with pytest.raises(exceptions.ResponseError) as caught:
                await pipe.execute()
        assert damage_of(caught.value) == f"what the ledger holds {where} is damaged"
        await redis.delete(key)


def test_an_error_that_may_pass_is_no_damage() -> None:
    for error in (exceptions.ConnectionError("away"), exceptions.ReadOnlyError("READONLY"), OSError(), ValueError()):
        assert not damage_of(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.TryAgainError("x"), "is moving data that are needed here to another node of the cluster"),
        (exceptions.ClusterDownError("x"), "is a cluster in which no node serves data that are needed here"),
        (exceptions.MasterDownError("x"), "is a cluster in which no node serves data that are needed here"),
        (exceptions.ConnectionError("x"), ""),
    ],
)
def test_the_trouble_of_a_cluster_is_told_in_words(error: Exception, words: str) -> None:
    assert cluster_trouble(error) == words
