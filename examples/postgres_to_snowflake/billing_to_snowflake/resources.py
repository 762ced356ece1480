import os

import dagster as dg

from mainstem.sling import SlingConnectionResource, SlingResource

# Only where Snowflake is not at its own address: an emulator, or a private link.
elsewhere = {
    key: value
    for key, value in {
        "host": os.environ.get("SNOWFLAKE_HOST"),
        "port": os.environ.get("SNOWFLAKE_PORT"),
        "protocol": os.environ.get("SNOWFLAKE_PROTOCOL"),
    }.items()
    if value
}

sling = SlingResource(
    connections=[
        SlingConnectionResource(
            name="MY_POSTGRES",
            type="postgres",
            host="localhost",
            port=int(os.environ.get("POSTGRES_PORT", "5432")),
            database="test_db",
            user="test_user",
            password=dg.EnvVar("POSTGRES_PASSWORD"),
        ),
        SlingConnectionResource(
            name="MY_SNOWFLAKE",
            type="snowflake",
            account=os.environ.get("SNOWFLAKE_ACCOUNT", "test_account"),
            user=dg.EnvVar("SNOWFLAKE_USER"),
            password=dg.EnvVar("SNOWFLAKE_PASSWORD"),
            database=os.environ.get("SNOWFLAKE_DATABASE", "TEST_DB"),
            warehouse=os.environ.get("SNOWFLAKE_WAREHOUSE", "TEST_WH"),
            **elsewhere,
        ),
    ]
)
