import os

import dagster as dg

from mainstem.sling import SlingConnectionResource, SlingResource

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
            name="MY_S3",
            type="s3",
            bucket=dg.EnvVar("S3_BUCKET"),
            region="us-east-1",
            # Leave it out for Amazon's own.
            endpoint=dg.EnvVar("S3_ENDPOINT"),
            access_key_id=dg.EnvVar("S3_ACCESS_KEY_ID"),
            secret_access_key=dg.EnvVar("S3_SECRET_ACCESS_KEY"),
        ),
    ]
)
