"""What must not be told: the secrets in a destination's configuration."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from dlt import Pipeline
from dlt.common.configuration.specs.base_configuration import BaseConfiguration, is_secret_hint

_SECRET_NAME = re.compile(r"password|passwd|secret|token|private|api_?key", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r"([?&][\w.-]*(?:password|passwd|secret|token|api_?key|key|sig|signature)[\w.-]*=)[^&\s'\"<>)]+",
    re.IGNORECASE,
)
_MASK = "***"


class Secrets:
    """The secrets of a pipeline's destination, and of its staging, as dlt resolves them now.

    Args:
        pipeline: The pipeline.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        found = {text for text in _of_pipeline(pipeline) if text.strip()}
        spelled = {form(text) for text in found for form in (str, quote, quote_plus, _quote_all)}
        # The longest first: a private key goes as a whole, not only a word in it.
        self._spelled: Sequence[str] = sorted(spelled, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """Return ``text`` with every secret masked."""
        for secret in self._spelled:
            text = text.replace(secret, _MASK)
        # A source's own secrets are not in the pipeline; they show in the addresses that its errors tell.
        return _SECRET_PARAMETER.sub(rf"\1{_MASK}", text)

    def told_by(self, error: BaseException | None) -> bool:
        """Whether the error, or one behind it, has a secret in its message or notes."""
        while error is not None:
            told = "\n".join([str(error), repr(error), *getattr(error, "__notes__", ())])
            if any(secret in told for secret in self._spelled) or _tells_parameter(told):
                return True
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return False


@contextmanager
def kept_from_the_log(pipeline: Pipeline) -> Iterator[None]:
    """Mask the secrets of a pipeline's destination in dlt's log, which tells its errors in full."""
    mask = _Mask(Secrets(pipeline))
    logger = logging.getLogger("dlt")
    logger.addFilter(mask)
    try:
        yield
    finally:
        logger.removeFilter(mask)


class _Mask(logging.Filter):
    """Lets every record pass, without the secrets."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._secrets.redact(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self._secrets.redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def _tells_parameter(text: str) -> bool:
    return any(not found.group().endswith(_MASK) for found in _SECRET_PARAMETER.finditer(text))


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _of_pipeline(pipeline: Pipeline) -> Iterator[str]:
    for destination in (pipeline.destination, pipeline.staging):
        if destination is not None:
            yield from _of_value(destination.config_params, secret=False)
            # A configuration that does not resolve is often what the error to be redacted is about.
            with suppress(Exception):
                yield from _of_value(
                    destination.configuration(destination.spec(), accept_partial=True), secret=False
                )
    with suppress(Exception):
        yield from _of_value(pipeline.destination_client().config, secret=False)


def _of_value(value: Any, *, secret: bool) -> Iterator[str]:
    """Find secrets in a value: by dlt's type hints, and by the names of keys where it has no hints.

    A configuration inside another one is judged field by field: it holds a host and a user as well.
    """
    if isinstance(value, BaseConfiguration):
        for name, hint in value.get_resolvable_fields().items():
            inner = getattr(value, name, None)
            yield from _of_value(inner, secret=is_secret_hint(hint) or _named_secret(name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _of_value(inner, secret=secret or _named_secret(str(name)))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _of_value(inner, secret=secret)
    elif isinstance(value, str):
        if secret:
            yield value
        yield from _of_url(value)


def _named_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _of_url(text: str) -> Iterator[str]:
    """Find the password, and the secret parameters, of a connection string."""
    with suppress(ValueError):
        url = urlsplit(text)
        if url.password:
            yield from (url.password, unquote(url.password))
        for name, value in parse_qsl(url.query):
            if _SECRET_NAME.search(name):
                yield value
