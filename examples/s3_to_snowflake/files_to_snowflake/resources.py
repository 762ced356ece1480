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

endpoint = os.environ.get("S3_ENDPOINT")

sling = SlingResource(
    connections=[
        SlingConnectionResource(
            name="MY_S3",
            type="s3",
            bucket=dg.EnvVar("S3_BUCKET"),
            access_key_id=dg.EnvVar("S3_ACCESS_KEY_ID"),
            secret_access_key=dg.EnvVar("S3_SECRET_ACCESS_KEY"),
            # Of a server that speaks S3 and is not Amazon's.
            **({"endpoint": endpoint} if endpoint else {}),
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
