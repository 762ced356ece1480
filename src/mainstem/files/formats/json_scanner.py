"""JSON values one after the other from a stream: lines, one array's items, or values in a row.

The values are read by Python's own decoder; only where one ends and the next begins is found here.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from mainstem.errors import EndpointError

__all__ = ["Number", "Record", "as_json", "scan"]

_CHUNK = 1024 * 1024
# No record is longer: a string that is never closed would take all memory.
_LONGEST = 512 * 1024 * 1024
# An error so close to the end of what is read may be the end's fault.
_NEAR = 16
_BETWEEN = re.compile(r"[\s,]*")
_BLANK = re.compile(r"\s*")
# Python's limit for integers from text is beyond any column's.
_INTEGER_DIGITS = 1000


class Number(float):
    """A number with a fraction or an exponent, with the digits that were written.

    Attributes:
        text: The digits.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Record:
    """A value of a file.

    Attributes:
        value: Its JSON value; numbers with a fraction are a :class:`Number`.
        line: The line in which it begins, counted from 1; ``None`` where the format has no lines.
    """

    value: Any
    line: int | None = None


def _integer(text: str) -> Any:
    return int(text) if len(text) <= _INTEGER_DIGITS else Number(text)


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=_integer)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def as_json(value: Any) -> str:
    """Write a value that was read as it was, without blanks between.

    Example:
        >>> as_json({"a": [Number("1.10"), None, "ä"]})
        '{"a":[1.10,null,"ä"]}'
    """
    if isinstance(value, Number):
        return value.text
    if isinstance(value, list):
        return f"[{','.join(map(as_json, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_ENCODER.encode(key)}:{as_json(item)}" for key, item in value.items())
        return f"{{{','.join(pairs)}}}"
    return _ENCODER.encode(value)


def scan(stream: BinaryIO, name: str, encoding: str) -> Iterator[Record]:
    """Read a stream's values in memory for one of them: an array's items, lines, or values in a row.

    Args:
        stream: The bytes.
        name: The file's name, for messages.
        encoding: How its text is written, as Python calls it.

    Raises:
        EndpointError: It is no JSON; the line is named.
    """
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    try:
        yield from _Scanner(text, name).records()
    except UnicodeDecodeError as error:
        raise EndpointError(
            f"{name} holds bytes that are no {encoding.removesuffix('-sig')}: {error.reason}.",
            hint="Say how its text is written: `source_options: {encoding: latin1}`.",
        ) from error
    finally:
        # Who opened the stream closes it.
        if not stream.closed:
            text.detach()


class _Scanner:
    def __init__(self, text: io.TextIOWrapper, name: str) -> None:
        self._text = text
        self._name = name
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def records(self) -> Iterator[Record]:
        while self._skip(_BETWEEN):
            if self._buffer[self._at] == "[":
                yield from self._items()
            else:
                yield self._value()

    def _items(self) -> Iterator[Record]:
        """The items of an array, which need not be in memory as a whole."""
        self._at += 1
        while self._skip(_BETWEEN):
            if self._buffer[self._at] == "]":
                self._at += 1
                return
            yield self._value()
            if self._skip(_BLANK) and self._buffer[self._at] not in ",]":
                raise self._no_json("Expecting ',' delimiter", self._at)
        raise self._no_json("An array has no end", self._at)

    def _skip(self, blanks: re.Pattern[str]) -> bool:
        """Pass over blanks; whether there is anything after them."""
        while True:
            found = blanks.match(self._buffer, self._at)
            self._move(found.end() if found else self._at)
            if self._at < len(self._buffer):
                return True
            if not self._more():
                return False

    def _move(self, to: int) -> None:
        self._line += self._buffer.count("\n", self._at, to)
        self._at = to

    def _more(self) -> bool:
        """Read on, twice as much as is there already, so that a long value is not tried again too often."""
        left = self._buffer[self._at :]
        if len(left) > _LONGEST:
            raise self._no_json("A value is longer than 512 million characters, or never ends", self._at)
        read = self._text.read(max(_CHUNK, len(left)))
        self._buffer, self._at = left + read, 0
        self._ended = not read
        return bool(read)

    def _value(self) -> Record:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                before = self._at
                if self._is_final(error) or not self._more():
                    raise self._no_json(error.msg, error.pos - before + self._at) from error
                continue
            except RecursionError as error:
                raise self._no_json("It is nested too deeply", self._at) from error
            # A number may go on in what is not read yet.
            if end == len(self._buffer) and not isinstance(value, dict | list) and self._more():
                continue
            record = Record(value, self._line)
            self._move(end)
            return record

    def _is_final(self, error: json.JSONDecodeError) -> bool:
        return error.pos < len(self._buffer) - _NEAR and not error.msg.startswith("Unterminated string")

    def _no_json(self, message: str, at: int) -> EndpointError:
        line = self._line + self._buffer.count("\n", self._at, at)
        return EndpointError(
            f"{self._name}:{line}: this is no JSON: {message}.",
            hint="The file may be cut short, or of another format: `format` says which it is.",
        )
