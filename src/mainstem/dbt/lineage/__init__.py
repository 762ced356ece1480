"""Column lineage of SQL: of which columns each column of a query is made, and which columns choose its rows.

It is read from the syntax tree alone, by rules of our own for each kind of clause. What there is no rule for
is not guessed at: it is told as untraced, and why.
"""

from mainstem.dbt.lineage.dialects import dialect_of
from mainstem.dbt.lineage.query import trace_query
from mainstem.dbt.lineage.tables import Origin, QueryLineage, Table

__all__ = ["Origin", "QueryLineage", "Table", "dialect_of", "trace_query"]
