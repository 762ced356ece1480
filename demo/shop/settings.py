"""Where the shop keeps its things. Everything that a run leaves lies in one ignored folder.

Three environment variables change it, so that two copies (say, a test's) never meet:

- ``SHOP_LOCAL``: the folder, by default ``.local`` beside the package.
- ``SHOP_ORDERS``: how many orders to seed, by default 500,000.
- ``SHOP_POSTGRES_PORT`` and ``SHOP_API_PORT``: where the two servers listen.
"""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOCAL = Path(os.environ.get("SHOP_LOCAL", PROJECT / ".local")).resolve()

DATA = PROJECT / "data"
DBT_PROJECT = PROJECT / "dbt"

DAGSTER_HOME = LOCAL / "dagster"
POSTGRES = LOCAL / "postgres"
DUCKDB = LOCAL / "shop.duckdb"
DLT = LOCAL / "dlt"
DBT_TARGET = LOCAL / "dbt"
CHART = LOCAL / "order_count_chart.html"
RUN_LOG = LOCAL / "run.log"
LOCK = LOCAL / "lock"

CUSTOMERS = 10_000
PRODUCTS = 1_000
ORDERS = int(os.environ.get("SHOP_ORDERS", "500000"))

POSTGRES_HOST = "127.0.0.1"
POSTGRES_PORT = int(os.environ.get("SHOP_POSTGRES_PORT", "54329"))
POSTGRES_DATABASE = "test_db"
POSTGRES_USER = "test_user"
POSTGRES_PASSWORD = "test_pass"

API_PORT = int(os.environ.get("SHOP_API_PORT", "54330"))
API_URL = f"http://127.0.0.1:{API_PORT}"

# The tools read these themselves: nobody is told what we run, and nothing is written outside LOCAL.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["DLT_DATA_DIR"] = str(DLT)
# dlt keeps an id of its own in the home folder, unless this says where such things go.
os.environ["XDG_DATA_HOME"] = str(LOCAL / "data")
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
os.environ["DBT_LOG_PATH"] = str(DBT_TARGET)
os.environ["SHOP_DUCKDB"] = str(DUCKDB)
