"""What decoding JSON raises for a text that is damaged or hostile: msgspec's own errors are not all of it.

A file whose content is not needed to go on is read under these, so that one wrong byte in it stops nothing else.
"""

from __future__ import annotations

import msgspec

# msgspec passes on UnicodeDecodeError for bytes that are not UTF-8 inside a text, and RecursionError for deep nesting.
DAMAGED_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)
