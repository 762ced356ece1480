"""Where the data comes from: what the graph shows upstream of the first table that we write ourselves.

Sling's and dlt's assets name these keys as their upstream by themselves. Here they get a group, a kind and
a sentence, nothing else.
"""

from __future__ import annotations

import dagster as dg

_POSTGRES = {
    "customers": "Who buys.",
    "products": "What is sold.",
    "orders": "One row for each order line that the shop took.",
}

sources = [
    *(
        dg.AssetSpec(["data", table], group_name="replication", kinds={"postgres"}, description=description)
        for table, description in _POSTGRES.items()
    ),
    dg.AssetSpec("simple_source_load_dict", group_name="loading", kinds={"python"}, description="A list."),
    dg.AssetSpec("csv_source_suppliers", group_name="loading", kinds={"csv"}, description="A file."),
    dg.AssetSpec("api_payments", group_name="loading", kinds={"api"}, description="The payment provider."),
]
