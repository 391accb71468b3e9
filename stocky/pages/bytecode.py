"""Keeps compiled templates, for all languages, and stores them beside Python's compiled modules, if that is writable.

Compiling all of them takes a second or more of processor time; loading them a tenth. The image has them compiled.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

# Beside the compiled modules of this package.
_DIRECTORY = Path(cache_from_source(__file__)).parent
# By the key and the checksum of the template; 2.5 MiB for each language otherwise.
_loaded: dict[tuple[str, str], CodeType] = {}


class TemplateCache(BytecodeCache):
    """The compiled templates as files. Jinja recompiles those of another version of Jinja, Python or the template."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Loads the bytecode of a template, if there is any."""
        name = (bucket.key, bucket.checksum)
        bucket.code = _loaded.get(name)
        if bucket.code is None:
            with suppress(OSError), _file(bucket).open("rb") as file:
                bucket.load_bytecode(file)
            if bucket.code is not None:
                _loaded[name] = bucket.code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Writes the bytecode of a template. A directory that cannot be written is no error."""
        if bucket.code is not None:
            _loaded[bucket.key, bucket.checksum] = bucket.code
        if sys.dont_write_bytecode:
            return
        file = _file(bucket)
        # Several processes may start at once, and one may read what another is writing.
        part = file.with_suffix(f".{os.getpid()}")
        try:
            file.parent.mkdir(exist_ok=True)
            with part.open("wb") as writing:
                bucket.write_bytecode(writing)
            part.replace(file)
        except OSError:
            with suppress(OSError):
                part.unlink()


def _file(bucket: Bucket) -> Path:
    return _DIRECTORY / f"{bucket.key}.{sys.implementation.cache_tag}.template"
