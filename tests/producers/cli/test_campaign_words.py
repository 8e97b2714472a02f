import json

from tests.kit.producers import CAMPAIGN, Run, WriteFile, csv_of, people


def _submit(run: Run, write: WriteFile, name: str) -> str:
    campaign = write(f"{name}.toml", CAMPAIGN.replace("bills", name))
    write("people.csv", csv_of(people(3)))
    submitted = run("submit", str(campaign), "--recipients", "people.csv", "--again", "--json")
    return str(json.loads(submitted.stdout)["campaign"])


def test_a_name_the_beginning_of_an_id_and_last_stand_for_an_id(run: Run, write: WriteFile) -> None:
    older, newer = _submit(run, write, "diwali"), _submit(run, write, "holi")

    for words, campaign in (("diwali", older), ("holi", newer), ("last", newer), (older[:7], older), (newer, newer)):
        shown = run("show", words, "--json")
        assert shown.exit_code == 0, shown.output
        assert json.loads(shown.stdout)["id"] == campaign


def test_a_name_of_several_campaigns_is_refused_with_the_candidates(run: Run, write: WriteFile) -> None:
    first, second = _submit(run, write, "diwali"), _submit(run, write, "diwali")

    for command in (["show", "diwali"], ["watch", "diwali"], ["audit", "diwali"]):
        refused = run(*command)
        assert refused.exit_code == 2
        assert refused.stderr.startswith("campaign diwali: 2 campaigns are meant, give the id: ")
        assert f"{first} (diwali, running)" in refused.stderr
        assert f"{second} (diwali, running)" in refused.stderr


def test_an_unknown_name_gets_the_most_similar_name(run: Run, write: WriteFile) -> None:
    _submit(run, write, "diwali")
    assert "did you mean diwali?" in run("show", "diwalli").stderr
