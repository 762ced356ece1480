"""MySQL and MariaDB."""

from mainstem.endpoints.mysql.target import MySQL

__all__ = ["MySQL"]
