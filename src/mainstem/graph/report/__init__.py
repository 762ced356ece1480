"""A graph as one HTML file that needs no server and no network: its status, drawn, and each column's way."""

from mainstem.graph.report.page import report_page

__all__ = ["report_page"]
