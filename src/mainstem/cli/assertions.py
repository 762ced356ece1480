"""What a script asserts of a run by environment variables, and which of them cannot be held yet (spec §8)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mainstem.cli.messages import unsupported
from mainstem.errors import ConfigError

__all__ = ["ASSERTED", "REFUSED", "Assertion", "assertions_of", "refuse_settings"]

_WANTED = re.compile(r"\s*(>?)\s*(\d{1,18})\s*")

ASSERTED = {
    "SLING_ROW_CNT": "rows were written",
    "SLING_TOTAL_BYTES": "bytes travelled",
    "SLING_STREAM_CNT": "streams were to run",
    "SLING_CONSTRAINT_FAILS": "values broke a constraint",
}

# Ignoring one of these would do more than the user asked for, or check less.
REFUSED = {
    "SLING_DRY_RUN": "`mainstem plan` shows what a run will do.",
    "SLING_LIMIT": "Give --limit.",
}


@dataclass(frozen=True)
class Assertion:
    """A number that a run must have.

    Attributes:
        variable: The environment variable that says so.
        at_least: The smallest number that will do.
        exactly: Whether no larger one will.
    """

    variable: str
    at_least: int
    exactly: bool

    def complaint(self, found: int) -> str | None:
        """What is wrong; ``None`` where it holds.

        Example:
            >>> Assertion("SLING_ROW_CNT", 5, True).complaint(3)
            'SLING_ROW_CNT=5 does not hold: 3 rows were written. What was published stays.'
        """
        if found == self.at_least or (found > self.at_least and not self.exactly):
            return None
        wanted = str(self.at_least) if self.exactly else f">{self.at_least - 1}"
        return (
            f"{self.variable}={wanted} does not hold: {found} {ASSERTED[self.variable]}."
            " What was published stays."
        )


def assertions_of(environment: Mapping[str, str]) -> Sequence[Assertion]:
    """Read the assertions.

    Raises:
        ConfigError: One is neither ``N`` nor ``>N``.

    Example:
        >>> assertions_of({"SLING_ROW_CNT": ">10"})
        [Assertion(variable='SLING_ROW_CNT', at_least=11, exactly=False)]
    """
    found = []
    for variable in ASSERTED:
        text = environment.get(variable, "")
        if not text:
            continue
        wanted = _WANTED.fullmatch(text)
        if wanted is None:
            raise ConfigError(f"{variable} must be a number, or > and a number.", hint="Such as 10 or >10.")
        above = bool(wanted[1])
        found.append(Assertion(variable, int(wanted[2]) + above, exactly=not above))
    return found


def refuse_settings(environment: Mapping[str, str]) -> None:
    """Refuse variables that a run would otherwise ignore in silence.

    Raises:
        NotSupportedYetError: One is set.
    """
    for variable, hint in REFUSED.items():
        if environment.get(variable):
            raise unsupported(variable, f"{hint} Nothing was read or written.")
