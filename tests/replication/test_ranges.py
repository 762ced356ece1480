"""Ranges and chunk sizes: the reference, §1.9."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import Position, ReplicationError
from mainstem.replication.ranges import ChunkSize, ChunkUnit, Range, parse_chunk_size, parse_range

HERE = Position("replication.yaml", 9, 13)

thoroughly = settings(deadline=None, derandomize=True, max_examples=200)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01,2024-01-31", Range("2024-01-01", "2024-01-31")),
        (" 1 , 1000 ", Range("1", "1000")),
        ("2024-01-01 00:00:00+02:00,2024-01-02", Range("2024-01-01 00:00:00+02:00", "2024-01-02")),
    ],
)
def test_1_9_a_range_is_a_start_and_an_end(text: str, expected: Range) -> None:
    assert parse_range(text, HERE) == expected


@pytest.mark.parametrize(
    ("text", "problem", "caret"),
    [
        ("", "this has 1.", None),
        ("2024-01-01", "this has 1.", 10),
        ("1,2,3", "this has 3.", 3),
        (",,", "this has 3.", 1),
        ("1,", "the end is missing.", 2),
        (",2", "the start is missing.", 0),
        (",", "the start is missing.", 0),
    ],
)
def test_1_9_a_range_has_exactly_two_parts(text: str, problem: str, caret: int | None) -> None:
    with pytest.raises(ReplicationError) as caught:
        parse_range(text, HERE)
    message = f"must specify range as two values, `start,end`: {problem} For example 2024-01-01,2024-01-31."
    snippet = "" if caret is None else f"\n  {text}\n  {' ' * caret}^"
    assert str(caught.value) == f"replication.yaml:9:13: {message}{snippet}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("12h", ChunkSize(12, ChunkUnit.HOURS)),
        ("7d", ChunkSize(7, ChunkUnit.DAYS)),
        ("1w", ChunkSize(1, ChunkUnit.WEEKS)),
        ("1m", ChunkSize(1, ChunkUnit.MONTHS)),
        ("1y", ChunkSize(1, ChunkUnit.YEARS)),
        (" 7d ", ChunkSize(7, ChunkUnit.DAYS)),
        ("100000", ChunkSize(100_000)),
        (100_000, ChunkSize(100_000)),
        (2**63 - 1, ChunkSize(2**63 - 1)),
    ],
)
def test_1_9_a_chunk_size_is_a_time_or_an_integer(given: str | int, expected: ChunkSize) -> None:
    assert parse_chunk_size(given, HERE) == expected


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", "a whole number is missing"),
        ("d", "a whole number is missing"),
        ("-7d", "a whole number is missing"),
        (-7, "a whole number is missing"),
        (True, "a whole number is missing"),
        ("0", "a chunk cannot be empty"),
        (0, "a chunk cannot be empty"),
        ("0d", "a chunk cannot be empty"),
        ("7D", "`D` is no unit"),
        ("7 days", "`days` is no unit"),
        ("1.5d", "`.5d` is no unit. The units are h (hours), d (days), w (weeks), m (months), y (years)."),
        ("7s", "`s` is no unit"),
        (2**63, "the number is too large"),
        pytest.param(-(10**5000), "the number is too large", id="huge"),
        ("9" * 5000, "the number is too large"),
    ],
)
def test_1_9_any_other_chunk_size_is_refused(given: str | int, problem: str) -> None:
    with pytest.raises(ReplicationError) as caught:
        parse_chunk_size(given, HERE)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("replication.yaml:9:13: `chunk_size`: ")


def problem(read: Callable[[], object]) -> str | None:
    """What a parser says is wrong; any other exception of its is a failure of the test."""
    try:
        read()
    except ReplicationError as error:
        return str(error)
    return None


@thoroughly
@given(st.text() | st.text("0123456789,- hdwmy", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    wrong = problem(lambda: parse_range(text, HERE))
    assert wrong is None or wrong.startswith("replication.yaml:9:13: must specify range")
    wrong = problem(lambda: parse_chunk_size(text, HERE))
    assert wrong is None or wrong.startswith("replication.yaml:9:13: `chunk_size`: ")


@thoroughly
@given(st.builds(Range, *[st.text("0123456789- :", min_size=1).map(str.strip).filter(bool)] * 2))
def test_the_text_of_a_range_reads_back_as_the_same(part: Range) -> None:
    assert parse_range(str(part), HERE) == part


@thoroughly
@given(st.builds(ChunkSize, st.integers(1, 2**63 - 1), st.sampled_from([None, *ChunkUnit])))
def test_the_text_of_a_chunk_size_reads_back_as_the_same(size: ChunkSize) -> None:
    assert parse_chunk_size(str(size), HERE) == size


@thoroughly
@given(st.integers())
def test_any_integer_is_read_or_refused(given: int) -> None:
    wrong = problem(lambda: parse_chunk_size(given, HERE))
    assert (wrong is None) == (1 <= given < 2**63)
