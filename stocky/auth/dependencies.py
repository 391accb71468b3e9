"""The dependencies of the auth handlers, besides those that every handler has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from stocky.auth.accounts import Accounts
from stocky.auth.identity import Identities
from stocky.auth.sign_ins import SignIns
from stocky.db import Connection
from stocky.http.client_address import ClientInfo, client_info


async def _sign_ins(state: State) -> SignIns:
    return SignIns(state.database, state.config, state.identities)


async def _accounts(state: State) -> Accounts:
    return Accounts(state.database, state.identities)


async def _client(request: Request[Any, Any, Any], state: State) -> ClientInfo:
    return client_info(request, state.config)


async def _changing(state: State) -> AsyncIterator[Connection]:
    """`tx` from `Identities.changing`: cached principals are dropped after it."""
    identities: Identities = state.identities
    async with identities.changing() as tx:
        yield tx


# Replaces the application's `tx`, so that no auth route can write without raising the revision.
AUTH_DEPENDENCIES = {
    "tx": Provide(_changing),
    "sign_ins": Provide(_sign_ins),
    "accounts": Provide(_accounts),
    "client": Provide(_client),
}
