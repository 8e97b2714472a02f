"""Settings with three providers at one sandbox, for tests of commands that send requests to a provider."""

from click.testing import Result

PROVIDER_SETTINGS = """\
[providers.timesmobile]
preset = "timesmobile-post"
endpoint = "{url}/ct/api/v1/message"
default = true

[providers.getter]
preset = "timesmobile-get"
endpoint = "{url}/ct/api/v1/send"

[providers.other]
method = "POST"
endpoint = "{url}/generic/v2/messages"
encoding = "form"
auth = "oauth2"
headers = {{ X-Channel = "bulk" }}

[providers.other.payload]
mobile = "+$$To"
message = "$$Body"
sender = "$$From"
template = "$$TemplateID"
unicode = "$$Unicode"
ref = "$$MessageID"
route = "$$route"

[providers.other.oauth2]
token_url = "{url}/generic/oauth/token"

[providers.other.answers]
code = "result.status.code"
id = "result.message.id"
parts = "result.message.segments"
accepted = ["QUEUED"]
brake_provider = ["E_AUTH"]
numbers = {{ E_AUTH = 2070 }}

[senders.TIMESM]
category = "service"
provider = ["timesmobile", "other"]

[senders.TIMOTP]
category = "transactional"
provider = "getter"

[templates.shipped]
senders = ["TIMOTP", "TIMESM"]
content_id = "1207161786534401928"
text = "Your order {{#var#}} is on its way."

[callbacks]
public_url = "https://sms.example.com/in/"
"""
PROVIDER_VARIABLES = {
    "DISPATCH_ID_KEY": "0123456789abcdef",
    "DISPATCH_CALLBACK_SECRET": "guess-me-if-you-can",
    "DISPATCH_PROVIDER_TIMESMOBILE_USERNAME": "shop",
    "DISPATCH_PROVIDER_TIMESMOBILE_PASSWORD": "hush-hush",
    "DISPATCH_PROVIDER_GETTER_USERNAME": "shop",
    "DISPATCH_PROVIDER_GETTER_PASSWORD": "hush-hush",
    "DISPATCH_PROVIDER_OTHER_CLIENT_ID": "c-id",
    "DISPATCH_PROVIDER_OTHER_CLIENT_SECRET": "c-secret",
}
SECRETS = ("hush-hush", "c-secret", "guess-me", "0123456789abcdef", "9876543210")


def has_no_secret(result: Result) -> bool:
    """Return whether the output of a command contains neither a credential nor a whole phone number."""
    return not [secret for secret in SECRETS if secret in result.stdout + result.stderr]
