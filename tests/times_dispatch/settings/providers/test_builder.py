from tests.kit.settings import Mistakes

TWO_PROVIDERS = """\
[providers.tm-a]
preset = "timesmobile-post"
[providers.tm_a]
preset = "timesmobile-get"
default = true
[senders.TIMESM]
category = "service"
"""


def test_two_nicknames_that_share_their_variables_are_a_mistake(mistakes: Mistakes) -> None:
    variables = {"DISPATCH_PROVIDER_TM_A_USERNAME": "x", "DISPATCH_PROVIDER_TM_A_PASSWORD": "y"}

    assert mistakes(TWO_PROVIDERS, **variables) == [
        "environment: DISPATCH_PROVIDER_TM_A_…: belongs to both tm-a and tm_a; rename one of them"
    ]
