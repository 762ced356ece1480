"""Snowflake."""

from mainstem.endpoints.snowflake.target import Snowflake

__all__ = ["Snowflake"]
