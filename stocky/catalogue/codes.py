"""Four-letter item codes: random, so that they tell nothing and two processes rarely make the same."""

import secrets
from string import ascii_uppercase


def new_code() -> str:
    """A code such as `QXZB`. Whether it is free is for the database to say."""
    return "".join(secrets.choice(ascii_uppercase) for _ in range(4))


def is_item_code(text: str) -> bool:
    """Whether it could be an item code, in any case."""
    return len(text) == 4 and text.isascii() and text.isalpha()
