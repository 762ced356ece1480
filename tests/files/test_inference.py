from __future__ import annotations

import pyarrow as pa
import pytest

from mainstem.files.inference import Inferred, NotOfTypeError, infer, typed, wider_type
from mainstem.types import type_name

NARROW = [
    (["1", "-5", "+7", ""], "int64", [1, -5, 7, None]),
    (["99999999999999999999"], "decimal128(38, 0)", None),
    (["0.1", "12.345", "7"], "decimal128(24, 6)", None),
    (["12345678901234567890123.1234567"], "decimal128(30, 7)", None),
    (["1e5", "2.5", "-.5"], "double", [1e5, 2.5, -0.5]),
    (["nan", "-inf", "1.5"], "double", None),
    (["007", "1"], "string", ["007", "1"]),
    (["0x1F"], "string", ["0x1F"]),
    ([" 5"], "string", [" 5"]),
    (["1_000"], "string", ["1_000"]),
    (["0.12345678901234567890e1"], "string", None),
    (["1" * 30 + "." + "1" * 10], "string", None),
    (["true", "F", "TRUE"], "bool", [True, False, True]),
    (["t", "1"], "string", ["t", "1"]),
    (["yes"], "string", ["yes"]),
    (["2024-02-29"], "date32[day]", None),
    (["2023-02-29"], "string", ["2023-02-29"]),
    (["2024-01-02", "2024-01-02 10:00"], "timestamp[us]", None),
    (["2024-01-02T10:00:00.123456789"], "timestamp[ns]", None),
    (["2024-01-02T10:00:00Z", "2024-01-02 10:00 +02:00"], "timestamp[us, tz=UTC]", None),
    (["01/31/2024"], "date32[day]", None),
    (["31/01/2024"], "string", ["31/01/2024"]),
    (["01/31/2024 10:11:12"], "timestamp[us]", None),
    (["2-Jan-06"], "date32[day]", None),
    (["2024/01/02"], "string", None),
    (["2024/01/02 03:04:05"], "timestamp[us]", None),
    (["Mon, 02 Jan 2006 15:04:05 GMT"], "timestamp[us, tz=UTC]", None),
    (['{"a": 1}', "[]"], "json", ['{"a": 1}', "[]"]),
    (['{"a": '], "string", None),
    (["10:11:12"], "string", ["10:11:12"]),
    (["12345678-1234-1234-1234-123456789012"], "string", None),
    (["", None], "null", None),
]


@pytest.mark.parametrize(("texts", "kind", "values"), NARROW, ids=[str(texts) for texts, *_ in NARROW])
def test_texts_get_the_narrowest_type_that_loses_nothing(
    texts: list[str], kind: str, values: list[object] | None
) -> None:
    found = infer(pa.array(texts, pa.string()))
    assert type_name(found.type) == kind
    if values is not None:
        assert typed(pa.array(texts, pa.string()), found).to_pylist() == values


def test_the_users_own_layout_comes_first() -> None:
    texts = pa.array(["02.01.2024", "31.12.2023"])
    assert type_name(infer(texts).type) == "string"
    found = infer(texts, "DD.MM.YYYY")
    assert [str(day) for day in typed(texts, found).to_pylist()] == ["2024-01-02", "2023-12-31"]
    assert infer(texts, "%d.%m.%Y") == found


@pytest.mark.parametrize(
    ("kind", "wrong", "wider"),
    [
        (pa.int64(), "1.5", "decimal128(38, 6)"),
        (pa.int64(), "007", "string"),
        (pa.int64(), "99999999999999999999", "decimal128(38, 0)"),
        (pa.int64(), "x", "string"),
        (pa.decimal128(24, 6), "0.12345678", "decimal128(26, 8)"),
        (pa.bool_(), "1", "string"),
        (pa.date32(), "2024-01-02 10:00", "timestamp[us]"),
        (pa.date32(), "01/31/2024", "string"),
        (pa.timestamp("us"), "2024-01-02T10:00:00+02:00", "timestamp[us, tz=UTC]"),
        (pa.timestamp("us"), "2024-01-02 10:00:00.123456789", "timestamp[ns]"),
        (pa.json_(), "{", "string"),
        (pa.float64(), "1.2345678901234567890", "string"),
    ],
    ids=str,
)
def test_a_text_of_another_type_is_found_with_a_type_that_holds_both(
    kind: pa.DataType, wrong: str, wider: str
) -> None:
    right = {"int64": "1", "bool": "true", "json": "{}", "double": "1e5"}.get(type_name(kind), "")
    right = right or {"d": "2024-01-01", "t": "2024-01-01 00:00"}[str(kind)[0]]
    if pa.types.is_decimal(kind):
        right = "1.5"
    values = pa.array([right] * 700 + [wrong] + [right] * 300)
    with pytest.raises(NotOfTypeError) as caught:
        typed(values, Inferred(kind))
    assert (caught.value.index, caught.value.value, type_name(caught.value.wider)) == (700, wrong, wider)


def test_two_layouts_meet_in_text() -> None:
    assert wider_type(pa.date32(), pa.date32()) == pa.string()
    assert wider_type(pa.bool_(), pa.int64()) == pa.string()
    assert wider_type(pa.json_(), pa.string()) == pa.string()
