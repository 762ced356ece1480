"""PostgreSQL."""

from mainstem.endpoints.postgres.target import Postgres

__all__ = ["Postgres"]
