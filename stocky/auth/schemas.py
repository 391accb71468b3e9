"""Request and response types of users, keys and sign-ins, and the principal of a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, ValidationError, convert

from stocky import clock
from stocky.errors import Invalid
from stocky.http.validation_messages import describe_error
from stocky.schema import VISIBLE, AnyCase

Username = Annotated[str, Meta(min_length=3, max_length=50, pattern=VISIBLE, examples=["ada"])]
Email = Annotated[str, Meta(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$(?!\n)", examples=["ada@example.org"])]
NewPassword = Annotated[str, Meta(min_length=8, max_length=1000, examples=["correct horse battery"])]
# Values to compare have only a maximum length; a password that is too short is simply wrong.
GivenName = Annotated[str, Meta(max_length=254, examples=["ada"])]
GivenPassword = Annotated[str, Meta(max_length=1000, examples=["correct horse battery"])]
GivenToken = Annotated[str, Meta(max_length=4096)]
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=VISIBLE, examples=["scanner at the door"])]


T = TypeVar("T", bound=Struct)


class Role(AnyCase):
    """What a user may do."""

    ADMIN = "admin"
    MEMBER = "member"
    SCANNER = "scanner"
    READ_ONLY = "read_only"


class User(Struct, kw_only=True):
    """A user account."""

    id: int
    username: str
    email: str
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime


class ShownUser(Struct, kw_only=True):
    """An account as others see it: `email` and `role` are null except for admins and the user itself."""

    id: int
    username: str
    email: str | None
    role: Role | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class Principal(Struct, frozen=True):
    """The authenticated user of a request, by API key (`key_id`) or by sign-in (`sign_in_id`).

    `by_cookie`: the browser sent the credential automatically, so an unsafe request needs proof that our page made it.
    `language` is the one that the user chose for the pages; None leaves it to the browser.
    """

    user: User
    key_id: int | None = None
    sign_in_id: str | None = None
    by_cookie: bool = False
    language: str | None = None

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def role(self) -> Role:
        return self.user.role


class NewUser(Struct, kw_only=True):
    """An account to add. Username and email are unique, ignoring case."""

    username: Username
    email: Email
    password: NewPassword
    role: Role = Role.MEMBER
    is_active: bool = True

    def __post_init__(self) -> None:
        _check_names(self.username, self.email)


class UserChange(Struct, kw_only=True):
    """Changes to an account; fields that are missing or null stay unchanged.

    `new_password` is an alias of `password`. Changing your own password requires `current_password`.
    """

    username: Username | None = None
    email: Email | None = None
    password: NewPassword | None = None
    new_password: NewPassword | None = None
    current_password: GivenPassword | None = None
    role: Role | None = None
    is_active: bool | None = None

    def __post_init__(self) -> None:
        _check_names(self.username, self.email)
        if self.password is not None and self.new_password not in (None, self.password):
            raise ValueError("new_password: differs from password; send one of the two")
        self.password = self.password or self.new_password

    def changes_credentials(self, user: User) -> bool:
        """Whether the username, email or password changes."""
        return (
            self.password is not None
            or self.username not in (None, user.username)
            or self.email not in (None, user.email)
        )


class Login(Struct):
    """Credentials; with `remember_me` the session lasts 30 days instead of 7 and sets a cookie."""

    username: GivenName
    password: GivenPassword
    remember_me: bool = False

    def __post_init__(self) -> None:
        # Phones add a space after a word that they complete, and no username has one there.
        self.username = self.username.strip()


class LoginForm(Struct):
    """Credentials as form fields."""

    username: GivenName
    password: GivenPassword
    remember_me: Annotated[
        str, Meta(description="`true`, `1` or `on`, in any case, to be remembered", examples=["true"])
    ] = ""

    def login(self) -> Login:
        return Login(self.username, self.password, self.remember_me.lower() in ("true", "1", "on", "yes"))


class Tokens(Struct, kw_only=True):
    """The tokens of a session. `expires_in` is the access token's lifetime in seconds; the refresh token works once."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    user_id: int
    role: Role
    refresh_token: str


class GivenRefreshToken(Struct):
    """A refresh token, for clients that store it themselves."""

    refresh_token: GivenToken | None = None


class PasswordChange(Struct):
    """The current and the new password; an open session alone is not enough."""

    current_password: GivenPassword
    new_password: NewPassword


class GeneratedKey(Struct):
    """A new key, shown only in this response."""

    message: str
    api_key: str
    note: str


class NewApiKey(Struct):
    """A key to create; without `expires_at` it is valid until it is revoked."""

    name: KeyName
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.expires_at is not None:
            if self.expires_at.tzinfo is None:
                self.expires_at = self.expires_at.replace(tzinfo=UTC)
            if self.expires_at <= clock.now():
                raise ValueError("expires_at: must be in the future")


class ApiKey(Struct, kw_only=True):
    """An API key. `last_used_at` is accurate to about a minute; `prefix` is the readable part of the key."""

    id: int
    user_id: int
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class CreatedApiKey(ApiKey, kw_only=True):
    """A new key with its secret, shown only in this response."""

    api_key: str


class OpenSignIn(Struct, frozen=True):
    """A sign-in in the list of a user's own."""

    id: str
    is_remembered: bool
    created_at: datetime
    expires_at: datetime


class SignIn(Struct, frozen=True):
    """A sign-in that has neither expired nor been revoked."""

    id: str
    user_id: int
    is_remembered: bool
    expires_at: datetime


def checked(kind: type[T], **fields: Any) -> T:
    """A Struct of these fields, validated like a request body. Raises Invalid naming the field."""
    try:
        return convert(fields, kind)
    except ValidationError as error:
        message = describe_error(error, kind)
        field, colon, _ = message.partition(": ")
        raise Invalid(message, field=field if colon else None) from None


def _check_names(username: str | None, email: str | None) -> None:
    if username is not None and (username != username.strip() or not username.isprintable()):
        raise ValueError("username: must not begin or end with a space or contain control characters")
    if email is not None and not email.isprintable():
        raise ValueError("email: must not contain control characters")
