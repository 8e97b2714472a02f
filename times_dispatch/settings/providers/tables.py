"""``[providers.NICKNAME]``: an account at a provider, without its secrets."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from times_dispatch.provider.description.provider import Encoding, Method
from times_dispatch.settings.providers.answers import AnswerSettings
from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.addresses import OptionalUrl

Preset = Literal["timesmobile-post", "timesmobile-get"]
Seconds = Annotated[FiniteFloat, Field(gt=0, le=600)]

_SECRET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_RESERVED_NAMES = frozenset({"USERNAME", "PASSWORD", "ENDPOINT", "PROXY", "CLIENT_ID", "CLIENT_SECRET"})
"""The last parts of the names of environment variables that every provider can have."""


def _check_payload(value: object) -> object:
    try:
        json.dumps(value)
    except TypeError:
        value = None
    if not value or not isinstance(value, str | dict):
        raise ValueError("must be a table of keys and texts, or a text that is JSON")
    return value


def _check_secret_name(name: str) -> str:
    if not _SECRET_NAME.fullmatch(name) or name.upper() in _RESERVED_NAMES:
        raise ValueError(f"{name!r} cannot name a secret: a letter, then letters, digits or _, and not a name in use")
    return name


class OAuthSettings(StrictTable):
    """``[providers.NICKNAME.oauth2]``: client credentials; the environment has the client's id and secret."""

    token_url: OptionalUrl = ""
    credentials_in: Literal["header", "body"] = "header"
    """The part of the token request that contains id and secret: HTTP Basic authentication, or the form."""
    extra: dict[str, str] = Field(default_factory=dict)
    """Further parameters of the token request; ``$$name`` is replaced by the secret of this name."""


class ProviderSettings(StrictTable):
    """``[providers.NICKNAME]``: a preset, a complete description, or a preset with overriding settings."""

    preset: Preset | None = None
    method: Method | None = None
    endpoint: OptionalUrl = ""
    """The URL of the provider's API; if empty, the preset's URL."""
    encoding: Encoding | None = None
    """The form of the payload: a JSON body, a form in the body, or the query."""
    payload: Annotated[Any, AfterValidator(_check_payload)] = None
    """A table of keys and templates. A JSON payload may have tables inside, or be the text of a JSON document."""
    auth: Literal["none", "basic", "oauth2"] | None = None
    oauth2: OAuthSettings = OAuthSettings()
    headers: dict[str, str] = Field(default_factory=dict)
    custom: dict[str, str] = Field(default_factory=dict)
    """The values of custom placeholders; a value of the campaign or the row overrides such a value."""
    secrets: list[Annotated[str, AfterValidator(_check_secret_name)]] = Field(default_factory=list)
    """The placeholders with secret values, which are in ``DISPATCH_PROVIDER_<NICKNAME>_<NAME>``."""
    answers: AnswerSettings = AnswerSettings()
    connect_timeout_s: Seconds = 5.0
    total_timeout_s: Seconds = 15.0
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 400
    proxy: OptionalUrl = ""
    """The URL of an HTTP proxy; a URL with credentials must be in ``DISPATCH_PROVIDER_<NICKNAME>_PROXY``."""
    ca_file: str = ""
    """A PEM file with a further trusted root certificate."""
    default: bool = False

    @model_validator(mode="after")
    def _is_complete(self) -> "ProviderSettings":
        required = ("method", "encoding", "payload", "answers")
        missing = [name for name in required if name not in self.model_fields_set]
        if self.preset is None and missing:
            raise ValueError(f"needs {', '.join(missing)}; or a preset, which has them")
        if (self.auth == "oauth2") != bool(self.oauth2.token_url):
            raise ValueError(
                'auth = "oauth2" needs [providers.NICKNAME.oauth2] with a token_url, and that table needs it'
            )
        return self

    @property
    def payload_template(self) -> tuple[tuple[str, str], ...] | str:
        """The payload in the form of ``times_dispatch.provider.description.provider.Provider``."""
        if isinstance(self.payload, dict) and not all(isinstance(value, str) for value in self.payload.values()):
            return json.dumps(self.payload, ensure_ascii=False)
        return self.payload if isinstance(self.payload, str) else tuple((self.payload or {}).items())
