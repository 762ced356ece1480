from __future__ import annotations

import io

import pytest

from mainstem.connections import Connection
from mainstem.errors import EndpointError
from mainstem.files.places.std import STDIN, Std

LOCAL = Connection("LOCAL", "file")


def test_standard_input_is_read_once() -> None:
    place = Std(LOCAL, source=io.BytesIO(b"a\n1\n"))
    assert place.open("stdin://").read() == b"a\n1\n"
    assert (place.url(STDIN), [found.path for found in place.list("-")]) == ("stdin://", [STDIN])
    with pytest.raises(EndpointError, match="was read already"):
        place.open(STDIN)


def test_standard_output_takes_bytes_as_they_come() -> None:
    sink = io.BytesIO()
    with Std(LOCAL, sink=sink).write("stdout://") as writer:
        writer.write(b"a\n")
        assert sink.getvalue() == b"a\n"
