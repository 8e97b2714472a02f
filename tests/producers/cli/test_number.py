import json

from redis import Redis as SyncRedis

from tests.kit.producers import SETTINGS, Run, WriteFile


def test_a_number_has_its_messages_of_all_campaigns_the_newest_first(run: Run, submitted: str) -> None:
    again = json.loads(run("submit", "campaign.toml", "--recipients", "customers.csv", "--yes", "--json").stdout)[
        "campaign"
    ]
    done = run("number", "9000000001", "--json")
    assert done.exit_code == 0, done.output
    known = json.loads(done.stdout)
    assert (known["number"], known["opted_out"], known["is_dead"]) == ("9190*****001", False, False)
    assert [(row["campaign"], row["index"], row["state"]) for row in known["messages"]] == [
        (again, 1, "pending"),
        (submitted, 1, "pending"),
    ]
    assert "9000000001" not in done.output


def test_a_number_that_was_never_texted_has_no_messages(run: Run, submitted: str) -> None:
    assert json.loads(run("number", "9876543210", "--json").stdout)["messages"] == []
    assert run("number", "9876543210").stdout == "9198*****210: 0 messages; not on the opt-out list\n"


def test_opt_outs_and_dead_numbers_are_said_and_a_dead_number_can_be_forgotten(
    run: Run, submitted: str, redis_url: str
) -> None:
    run("optout", "add", "9000000001")
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset("{opt_outs}:dead:9190000", "1", str((int(redis.time()[0]) // 86_400) * 65_536 + 910))
    line = run("number", "9000000001").stdout
    assert "; on the opt-out list; dead since 2" in line
    assert "(code 910)\n" in line
    known = json.loads(run("number", "9000000001", "--json").stdout)
    assert (known["opted_out"], known["is_dead"], known["dead"]["code"]) == (True, True, 910)
    assert json.loads(run("number", "9000000001", "--not-dead", "--json").stdout)["dead"] is None


def test_mistakes_in_other_settings_do_not_matter(run: Run, submitted: str, write: WriteFile) -> None:
    settings = write("dispatch.toml", SETTINGS + "[no_such_table]\n")
    assert run("number", "9000000001").exit_code == 0
    settings.write_text(SETTINGS + '[dead_numbers]\nkeep = "1h"\n')
    refused = run("number", "9000000001")
    assert refused.exit_code == 2
    assert "dead_numbers" in refused.stderr
    assert refused.stderr.endswith("must be at least 1d, is 1h\n")


def test_a_batch_without_tags_is_searched_whole(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        assert redis.delete(f"{{TIMESM}}:c:{submitted}:t:0") == 1
    assert len(json.loads(run("number", "9000000002", "--json").stdout)["messages"]) == 1
