"""A small payment provider: paginated JSON on the loopback, the same answer every time.

``GET /payments?page=2`` answers ``{"data": [...], "next": "http://…/payments?page=3"}``; on the last page
``next`` is null. Amounts are in cents, as payment providers give them.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shop import settings

METHODS = ("credit_card", "bank_transfer", "coupon", "gift_card")
PAYMENTS = min(2_000, settings.ORDERS)
PAGE_SIZE = 250
PAGES = math.ceil(PAYMENTS / PAGE_SIZE)

_OPENED = datetime(2024, 1, 1, tzinfo=timezone.utc)


def payment(number: int) -> dict[str, Any]:
    """Return one payment. ``number`` counts from 1."""
    return {
        "payment_id": number,
        "order_id": number,
        "method": METHODS[number * 7 % 10 % len(METHODS)],
        "amount_cents": 500 + number * 7_919 % 90_001,
        "paid_at": (_OPENED + timedelta(minutes=number * 37)).isoformat(),
    }


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        page = parse_qs(url.query).get("page", ["1"])[0]
        if url.path != "/payments" or not page.isdecimal() or not 1 <= int(page) <= PAGES:
            self._answer(404, {"error": f"Nothing at {self.path}. Try /payments?page=1."})
            return
        number = int(page)
        first = (number - 1) * PAGE_SIZE + 1
        rows = range(first, min(first + PAGE_SIZE, PAYMENTS + 1))
        host = self.headers["Host"]
        following = f"http://{host}/payments?page={number + 1}" if number < PAGES else None
        self._answer(200, {"data": [payment(row) for row in rows], "next": following})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server has
        """Say nothing: the run's output is what people read."""


@contextmanager
def serving(port: int) -> Iterator[int]:
    """Serve the API on the loopback while the block runs. Gives the port."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="shop-api", daemon=True)
        thread.start()
        try:
            yield port
        finally:
            server.shutdown()
            thread.join()
