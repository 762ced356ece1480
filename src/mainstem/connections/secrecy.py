"""What is secret: a rule over the names of properties, and a net for logins that hide in a value."""

from __future__ import annotations

import re

__all__ = ["is_secret"]

# A URL is secret as a whole: it may hold a login or a signature.
_NAME = re.compile(
    r"password|passwd|passphrase|passcode|pwd|secret|token|credential|conn_?str|connection_?string"
    r"|(?:^|_)pass$|(?:key|key_?body|url|uri|dsn|sig|jwt|auth|authorization|cookie|headers|tunnel)$"
)
# user:password@ of a URL, password= of a connection string or a query, a PEM key.
_VALUE = re.compile(
    r"://[^/@\s]*:[^/@\s]*@|-----BEGIN |(?:password|passwd|pwd|token|secret|sig|key)=", re.IGNORECASE
)


def is_secret(name: str, value: str = "") -> bool:
    """Whether a property must never be shown.

    Args:
        name: The property's name, in lower case.
        value: Its value. One that holds a login is secret whatever its name.

    Example:
        >>> is_secret("motherduck_token"), is_secret("key_file"), is_secret("endpoint", "http://a:b@c")
        (True, False, True)
    """
    return bool(_NAME.search(name) or _VALUE.search(value))
