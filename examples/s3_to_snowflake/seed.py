"""Fill the bucket: three days of invoices as CSV, and exchange rates as Parquet."""

import os
from decimal import Decimal

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import S3Store

NAMES = ("Ada", "Zoë", "李娜", "Łukasz; GmbH")


def day(number: int) -> bytes:
    """The invoices of a day, as a German spreadsheet would export them."""
    lines = ["invoice_id;customer;amount;issued_at"]
    for each in range(1, 41):
        invoice = number * 100 + each
        name = NAMES[each % len(NAMES)]
        customer = f'"{name}"' if ";" in name else name
        lines.append(f"{invoice};{customer};{invoice}.{each:02};2025-03-{number:02} 08:{each:02}:00")
    return "\r\n".join([*lines, ""]).encode()


def rates() -> bytes:
    """Rates with six decimals."""
    sink = pa.BufferOutputStream()
    kind = pa.decimal128(12, 6)
    values = pa.array([Decimal("0.956812"), Decimal("1.000000"), Decimal("1.082345")], kind)
    pq.write_table(pa.table({"currency": ["CHF", "EUR", "USD"], "rate": values}), sink)
    return sink.getvalue().to_pybytes()


def main() -> None:
    store = S3Store(
        os.environ["S3_BUCKET"],
        access_key_id=os.environ["S3_ACCESS_KEY_ID"],
        secret_access_key=os.environ["S3_SECRET_ACCESS_KEY"],
        region=os.environ.get("S3_REGION", "us-east-1"),
        endpoint=os.environ.get("S3_ENDPOINT"),
        client_options={"allow_http": True},
    )
    for number in (1, 2, 3):
        obstore.put(store, f"invoices/2025-03-{number:02}.csv", day(number))
    obstore.put(store, "rates.parquet", rates())
    print("The bucket holds invoices/2025-03-01.csv to -03.csv, and rates.parquet.")


if __name__ == "__main__":
    main()
