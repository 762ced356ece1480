"""Reading JSON with orjson where it is installed: a large manifest takes seconds otherwise."""

from __future__ import annotations

from typing import Any

try:
    import orjson
except ImportError:
    import json

    def loads(text: bytes) -> Any:
        """Parse JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(text)

else:

    def loads(text: bytes) -> Any:
        """Parse JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return orjson.loads(text)


__all__ = ["loads"]
