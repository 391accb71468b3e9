"""Users, roles and the principal behind a request."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from stocky.schema import AnyCase


class Role(AnyCase):
    """What someone may do; see `guards`."""

    ADMIN = "admin"
    MEMBER = "member"
    SCANNER = "scanner"
    READ_ONLY = "read_only"


class User(Struct, kw_only=True):
    """An account, as it is answered."""

    id: int
    username: str
    email: str
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Principal(Struct, frozen=True):
    """Who is behind a request: a user, by an API key (`key_id`) or by a sign-in (`sign_in_id`)."""

    user: User
    key_id: int | None = None
    sign_in_id: str | None = None

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def role(self) -> Role:
        return self.user.role
