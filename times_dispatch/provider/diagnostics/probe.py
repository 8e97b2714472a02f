"""Checks whether a provider can be reached and answers, without sending a message."""

import httpx
import msgspec

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_cache import TokenCache
from times_dispatch.provider.oauth.token_store import InMemoryTokenStore
from times_dispatch.provider.outcomes import Outcome
from times_dispatch.provider.push_errors import classify


class ProbeResult(msgspec.Struct, frozen=True):
    """The result of one request of a probe."""

    ok: bool
    message: str
    """A sentence without secrets."""


async def probe_provider(provider: Provider, *, clock: Clock = SYSTEM_CLOCK) -> list[ProbeResult]:
    """Request a token, if the provider uses tokens, and the OPTIONS of the endpoint.

    Both requests use the same proxy and the same TLS as a push. The OPTIONS request has no payload and no credentials,
    so the provider cannot treat the request as a message.
    """
    transport = ProviderTransport(provider)
    try:
        results = [await _request_options(provider, transport, clock)]
        if isinstance(provider.auth, ClientCredentials):
            results.insert(0, await _request_token(provider, provider.auth, transport, clock))
        return results
    finally:
        await transport.aclose()


async def _request_options(provider: Provider, transport: httpx.AsyncBaseTransport, clock: Clock) -> ProbeResult:
    began = clock.monotonic()
    try:
        response = await transport.handle_async_request(httpx.Request("OPTIONS", provider.address))
        await response.aread()
    except httpx.TransportError as error:
        return ProbeResult(ok=False, message=f"{provider.address}: {classify(error).reason}")
    took_ms = (clock.monotonic() - began) * 1000
    message = f"{provider.address} answers OPTIONS with HTTP {response.status_code} after {took_ms:.0f} ms"
    if response.status_code >= 500:
        return ProbeResult(ok=False, message=message)
    if response.status_code == 404:
        return ProbeResult(ok=True, message=f"{message}: look at the path again, its case counts")
    return ProbeResult(ok=True, message=message)


async def _request_token(
    provider: Provider, credentials: ClientCredentials, transport: httpx.AsyncBaseTransport, clock: Clock
) -> ProbeResult:
    cache = TokenCache(
        provider.nickname,
        credentials,
        transport=transport,
        store=InMemoryTokenStore(clock=clock),
        request_timeout_s=provider.total_timeout_s,
        get_timeout_s=provider.total_timeout_s,
        clock=clock,
    )
    address = credentials.token_url.partition("?")[0]
    try:
        token = await cache.get()
    finally:
        await cache.aclose()
    if isinstance(token, Outcome):
        return ProbeResult(ok=False, message=f"{address}: {token.reason}")
    return ProbeResult(ok=True, message=f"{address} grants a token")
