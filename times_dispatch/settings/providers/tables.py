"""``[providers.NICK]``: an account at a provider, with all that is not secret."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from times_dispatch.provider.description.provider import Encoding, Method
from times_dispatch.settings.addresses import OptionalUrl
from times_dispatch.settings.providers.answers import AnswerSettings
from times_dispatch.settings.strict_table import StrictTable

Preset = Literal["timesmobile-post", "timesmobile-get"]
Seconds = Annotated[FiniteFloat, Field(gt=0, le=600)]

_SECRET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_TAKEN = frozenset({"USERNAME", "PASSWORD", "ENDPOINT", "PROXY", "CLIENT_ID", "CLIENT_SECRET"})
"""What the environment says of every provider."""


def _payload(value: object) -> object:
    try:
        json.dumps(value)
    except TypeError:
        value = None
    if not value or not isinstance(value, str | dict):
        raise ValueError("must be a table of keys and texts, or a text that is JSON")
    return value


def _secret_name(name: str) -> str:
    if not _SECRET_NAME.fullmatch(name) or name.upper() in _TAKEN:
        raise ValueError(f"{name!r} cannot name a secret: a letter, then letters, digits or _, and not a name in use")
    return name


class OAuthSettings(StrictTable):
    """``[providers.NICK.oauth2]``: client credentials; id and secret come from the environment."""

    token_url: OptionalUrl = ""
    credentials_in: Literal["header", "body"] = "header"
    """Whether id and secret go by HTTP Basic, or in the form."""
    extra: dict[str, str] = Field(default_factory=dict)
    """Further key-values of the request for a token; ``$$name`` of a secret is filled in."""


class ProviderSettings(StrictTable):
    """``[providers.NICK]``: a preset, or a description of one's own, or a preset with something in another way."""

    preset: Preset | None = None
    method: Method | None = None
    endpoint: OptionalUrl = ""
    """Empty: the preset's own."""
    encoding: Encoding | None = None
    """Where the payload stands: a JSON body, a form as body, or the query."""
    payload: Annotated[Any, AfterValidator(_payload)] = None
    """A table of key and template; for JSON it may have tables within, or be the text of a document."""
    auth: Literal["none", "basic", "oauth2"] | None = None
    oauth2: OAuthSettings = OAuthSettings()
    headers: dict[str, str] = Field(default_factory=dict)
    custom: dict[str, str] = Field(default_factory=dict)
    """Values of placeholders of one's own, where neither campaign nor row gives another."""
    secrets: list[Annotated[str, AfterValidator(_secret_name)]] = Field(default_factory=list)
    """Placeholders whose values are secret: ``DISPATCH_PROVIDER_<NICK>_<NAME>``."""
    answers: AnswerSettings = AnswerSettings()
    connect_timeout_s: Seconds = 5.0
    total_timeout_s: Seconds = 15.0
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 400
    proxy: OptionalUrl = ""
    """Of http or https; a proxy with credentials is given as ``DISPATCH_PROVIDER_<NICK>_PROXY``."""
    ca_file: str = ""
    """PEM file of one more root certificate to trust."""
    default: bool = False

    @model_validator(mode="after")
    def _is_whole(self) -> "ProviderSettings":
        wanted = ("method", "encoding", "payload", "answers")
        missing = [name for name in wanted if name not in self.model_fields_set]
        if self.preset is None and missing:
            raise ValueError(f"needs {', '.join(missing)}; or a preset, which knows them")
        if (self.auth == "oauth2") != bool(self.oauth2.token_url):
            raise ValueError('auth = "oauth2" and [providers.NICKNAME.oauth2] with its token_url need each other')
        return self

    @property
    def written_payload(self) -> tuple[tuple[str, str], ...] | str:
        """The payload as ``times_dispatch.provider.description.provider.Provider`` takes it."""
        if isinstance(self.payload, dict) and not all(isinstance(value, str) for value in self.payload.values()):
            return json.dumps(self.payload, ensure_ascii=False)
        return self.payload if isinstance(self.payload, str) else tuple((self.payload or {}).items())
