"""Values as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mainstem.types import cast_values, value_text


@pytest.mark.parametrize("kind", [pa.decimal64(18, 10), pa.decimal128(38, 10), pa.decimal256(50, 10)])
def test_decimals_have_all_their_digits(kind: Any) -> None:
    values = [Decimal(0), Decimal("0.0000000001"), None, Decimal("-0.0000001"), Decimal("12.5")]
    texts = cast_values(pa.array(values, kind), pa.string()).to_pylist()
    assert texts == ["0.0000000000", "0.0000000001", None, "-0.0000001000", "12.5000000000"]
    assert value_text(pa.scalar(Decimal("0.0000000001"), kind)) == "0.0000000001"
