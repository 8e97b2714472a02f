from typing import cast

import orjson
from aiohttp import web

from tests.kit.clock import FakeClock
from times_dispatch.sandbox.config import GenericConfig
from times_dispatch.sandbox.http.tokens import TokenIssuer

CONFIG = GenericConfig(client_id="cid", client_secret="csecret", token_lifetime_s=60)
FORM = b"grant_type=client_credentials&client_id=cid&client_secret=csecret"


class TokenRequest:
    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def read(self) -> bytes:
        return FORM


async def issue(issuer: TokenIssuer) -> str:
    response = await issuer.issue(cast(web.BaseRequest, TokenRequest()))
    return f"Bearer {orjson.loads(cast(bytes, response.body))['access_token']}"


async def test_a_token_is_valid_until_the_end_of_its_lifetime() -> None:
    clock = FakeClock()
    issuer = TokenIssuer(CONFIG, clock=clock)
    authorization = await issue(issuer)
    await clock.advance(59.9)
    assert issuer.is_valid(authorization)
    await clock.advance(0.1)
    assert not issuer.is_valid(authorization)
    assert issuer.books.locked_out == 1


async def test_revoked_tokens_are_invalid_and_a_reset_keeps_tokens() -> None:
    issuer = TokenIssuer(CONFIG, clock=FakeClock())
    authorization = await issue(issuer)
    issuer.reset()
    assert issuer.is_valid(authorization)
    assert issuer.books.issued == 0
    issuer.revoke()
    assert not issuer.is_valid(authorization)
