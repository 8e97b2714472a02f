"""Whether a provider can be reached and answers, found out without sending a message."""

import time

import httpx
import msgspec

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import classify
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_cache import TokenCache
from times_dispatch.provider.oauth.token_store import OwnTokens
from times_dispatch.provider.outcomes import Outcome


class Reached(msgspec.Struct, frozen=True):
    """What came of one try."""

    ok: bool
    what: str
    """A sentence without anything secret."""


async def reach(provider: Provider) -> list[Reached]:
    """Ask for a token, if the provider wants one, and ask the endpoint for its OPTIONS, over the way of a push.

    That goes through the same proxy and the same TLS, carries neither payload nor credentials, and so is no message.
    """
    transport = ProviderTransport(provider)
    try:
        tried = [await _ask(provider, transport)]
        if isinstance(provider.auth, ClientCredentials):
            tried.insert(0, await _ask_for_token(provider, provider.auth, transport))
        return tried
    finally:
        await transport.aclose()


async def _ask(provider: Provider, transport: httpx.AsyncBaseTransport) -> Reached:
    began = time.monotonic()
    try:
        response = await transport.handle_async_request(httpx.Request("OPTIONS", provider.address))
        await response.aread()
    except httpx.TransportError as error:
        return Reached(ok=False, what=f"{provider.address}: {classify(error).reason}")
    took_ms = (time.monotonic() - began) * 1000
    answers = f"{provider.address} answers OPTIONS with HTTP {response.status_code} after {took_ms:.0f} ms"
    if response.status_code >= 500:
        return Reached(ok=False, what=answers)
    if response.status_code == 404:
        return Reached(ok=True, what=f"{answers}: look at the path again, its case counts")
    return Reached(ok=True, what=answers)


async def _ask_for_token(
    provider: Provider, credentials: ClientCredentials, transport: httpx.AsyncBaseTransport
) -> Reached:
    keeper = TokenCache(
        provider.nickname,
        credentials,
        transport=transport,
        store=OwnTokens(),
        timeout_s=provider.total_timeout_s,
        patience_s=provider.total_timeout_s,
    )
    where = credentials.token_url.partition("?")[0]
    try:
        obtained = await keeper.obtain()
    finally:
        await keeper.aclose()
    if isinstance(obtained, Outcome):
        return Reached(ok=False, what=f"{where}: {obtained.reason}")
    return Reached(ok=True, what=f"{where} grants a token")
