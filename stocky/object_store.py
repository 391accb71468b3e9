"""Opens S3-compatible stores, and says in words why one cannot be used; what it says never holds a key or an address.

The documents and the off-site copies of backups each have settings of their own, which the words name.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from stocky.config import BlobSettings

if TYPE_CHECKING:
    from obstore.store import S3Store

# The smallest part that S3 accepts.
PART = 5 * 2**20

_FULL = re.compile(r"os error (?:28|122|27)\b|No space left|quota exceeded", re.IGNORECASE)
# The parts of an S3 error, as obstore reports it, that are shown; the rest is hidden, since it may hold anything.
_NO_BUCKET = "<Code>NoSuchBucket</Code>"
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})\b")
_NO_ANSWER = re.compile(r"HTTP error:|error sending request")
_OS_ERROR = re.compile(r"\(os error (\d{1,4})\)")


class SettingNames(NamedTuple):
    """The names of the settings of one use: of its address, and the beginning of those for S3."""

    url: str
    s3: str

    @property
    def check(self) -> str:
        """What to check when the cause is unknown."""
        return f"check {self.url} and the store it names"


def open_s3(settings: BlobSettings, *, timeout: timedelta) -> S3Store:
    """The store of an `s3://` address. One request may take `timeout`, with three retries within 20 seconds."""
    # Imported here: few requests need it, and the import would slow every start.
    from obstore.store import S3Store

    bucket, _, prefix = settings.url.removeprefix("s3://").partition("/")
    return S3Store(
        bucket,
        prefix=prefix.strip("/") or None,
        endpoint=settings.endpoint or None,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key,
        region=settings.region,
        virtual_hosted_style_request=not settings.path_style,
        client_options={"allow_http": True, "connect_timeout": timedelta(seconds=5), "timeout": timeout},
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
    )


def is_full(text: str) -> bool:
    """Whether the text of an obstore error says that there is no space left."""
    return _FULL.search(text) is not None


def lacks_bucket(text: str) -> bool:
    """Whether the text of an obstore error says that there is no such bucket."""
    return _NO_BUCKET in text


def describe_failure(text: str, names: SettingNames) -> str:
    """The cause in the text of an obstore error and what to check; it holds no key and no address."""
    code = f" ({found[1]})" if (found := _CODE.search(text)) else ""
    status = found[1] if (found := _STATUS.search(text)) else ""
    if lacks_bucket(text):
        return f"there is no such bucket; create it, or name another in {names.url}"
    if status in ("401", "403"):
        return (
            f"it rejects the keys{code}; check {names.s3}_ACCESS_KEY_ID and {names.s3}_SECRET_ACCESS_KEY, and whether"
            f" they may use the bucket that {names.url} names"
        )
    if status:
        return f"it responds with {status}{code}; {names.check}"
    if _NO_ANSWER.search(text):
        return f"there is no connection to it; check {names.s3}_ENDPOINT, {names.url} and the network"
    if found := _OS_ERROR.search(text):
        return f"{os.strerror(int(found[1]))}; {names.check}"
    return names.check
