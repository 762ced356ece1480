"""The tests' own lint: what a test may not do here. Run by `make check`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
# A test that calls one of these checks something, though it has no `assert`.
CHECKS = ("assert", "raises", "warns", "refused", "fail", "check", "expect")


def problems(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            if any("mock" in name for name in names):
                yield f"{path}:{node.lineno}: no mocks of what can run here"
        elif (
            isinstance(node, ast.Call)
            and called(node) in {"skip", "xfail"}
            and not (node.args or node.keywords)
        ):
            yield f"{path}:{node.lineno}: skip and xfail need a reason"
        elif isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant):
            yield f"{path}:{node.lineno}: this assertion cannot fail, or always does"
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not checks(node):
            yield f"{path}:{node.lineno}: {node.name} asserts nothing"


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def checks(test: ast.FunctionDef) -> bool:
    """Whether a test asserts, or calls a helper whose name says that it does."""
    return any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Call) and any(word in called(node).lower() for word in CHECKS))
        for node in ast.walk(test)
    )


def main() -> int:
    found = [problem for path in sorted(TESTS.rglob("test_*.py")) for problem in problems(path)]
    print("\n".join(found) or "The tests assert something, mock nothing, and skip with a reason.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
