"""Break a file in many ways and read each: run as a process of its own, for a reader may crash.

``python broken.py parquet 7 100``, or ``csv.zip``: a hundred files, from the seed 7 on. The last line tells
where it was.
"""

from __future__ import annotations

import io
import random
import resource
import sys
from collections import Counter

import pyarrow as pa

from mainstem.errors import MainstemError
from mainstem.files.compression import compressing, uncompressed
from mainstem.files.formats.base import OpenFile, ReadOptions, WriteOptions
from mainstem.files.formats.registry import format_named

# Far more than a few hundred rows need, and less than a length that lies may ask for.
MOST_MEMORY = 6 * 2**30
LYING = (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80")
FOOTER = 800


def rows(nested: bool) -> pa.Table:
    """What the file is made of."""
    more: list[object] = [[number, None, 3] if nested else number / 7 for number in range(500)]
    texts = [f"text {number}" if number % 7 else None for number in range(500)]
    return pa.table({"id": range(500), "text": texts, "more": more})


def written(name: str, compression: str) -> bytes:
    """A whole file."""
    sink, table = io.BytesIO(), rows(name in ("parquet", "arrow"))
    with compressing(sink, compression, "a.csv") as packed:
        writer = format_named(name).writer(packed, table.schema, WriteOptions())
        for batch in table.to_batches(100):
            writer.write(batch)
        writer.close()
    return sink.getvalue()


def broken(data: bytes, chance: random.Random) -> bytes:
    """The file cut short, with bytes changed anywhere or near its end, or with a length that lies."""
    changed, how = bytearray(data), chance.randrange(4)
    if how == 0:
        return data[: chance.randrange(len(data))]
    if how == 1:
        at = chance.randrange(len(data) - 4)
        changed[at : at + 4] = chance.choice(LYING)
        return bytes(changed)
    first = 0 if how == 2 else max(0, len(data) - FOOTER)
    for _ in range(chance.randrange(1, 6)):
        changed[chance.randrange(first, len(data))] = chance.randrange(256)
    return bytes(changed)


def main(name: str, seed: int, many: int) -> None:
    """Read them all."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    inner, _, compression = name.partition(".")
    kind, data, outcomes = format_named(inner), written(inner, compression or "none"), Counter[str]()
    for number in range(seed, seed + many):
        sys.stdout.write(f"seed {number}\n")
        sys.stdout.flush()
        made = broken(data, random.Random(number))  # noqa: S311 - a sample, no secret
        file = OpenFile(f"broken.{name}", lambda made=made: io.BytesIO(made))  # type: ignore[misc]
        try:
            files = uncompressed(file, compression or "none")
            schema = kind.describe(files, ReadOptions())
            for batch in (batch for each in files for batch in kind.read(each, schema, ReadOptions())):
                batch.validate(full=True)
            outcomes["read"] += 1
        except MainstemError:
            outcomes["refused"] += 1
    sys.stdout.write(f"read {outcomes['read']}, refused {outcomes['refused']}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
