"""Every error that mainstem raises, as one tree.

::

    MainstemError
    ├── ConfigError                what the user wrote cannot be carried out
    │   ├── ReplicationError       the replication YAML (file, line and column are known)
    │   ├── ConnectionConfigError  a connection is unknown, or its properties are wrong
    │   ├── NotSupportedYetError   a key or a value that Sling knows and mainstem does not, yet
    │   └── UnknownNameError       a dbt model or source that is not in the project; also a KeyError
    ├── EndpointError              a database or a file said no
    │   ├── ConnectError           it cannot be reached, or refused the credentials
    │   ├── RelationNotFoundError  the stream's table or the target's object is not there
    │   ├── LossyTypeError         a value cannot arrive as it left; nothing was published
    │   │   └── ValueBreaksTypeError   a file's value is none of the type that its column seemed to have
    │   ├── ConstraintError        a row breaks a constraint of `columns`; nothing was published
    │   ├── AmbiguousKeyError      rows cannot be told apart by their primary key; nothing was published
    │   └── TargetBusyError        someone else holds the table or the file
    ├── HookError                  a hook of a replication, or a step of a pipeline, failed
    ├── RunTimeoutError            the time of a run is over
    ├── DbtRunError                a dbt command failed; carries the nodes that did, and dbt's own words
    ├── SlingRunError              Sling's own program failed; carries its exit code, and Sling's own words
    ├── StreamError                one stream failed; carries the stream, its phase and the cause above
    │   └── HookStageError         the hooks at the start or the end of a replication failed
    └── ReplicationFailedError     at the end of a run: which streams failed, and why

An error says what happened, where, why, and what to do. The driver's own exception is its ``__cause__``,
never its headline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "AmbiguousKeyError",
    "ConfigError",
    "ConnectError",
    "ConnectionConfigError",
    "ConstraintError",
    "DbtRunError",
    "EndpointError",
    "HookError",
    "HookStageError",
    "LossyTypeError",
    "MainstemError",
    "NotSupportedYetError",
    "Position",
    "RelationNotFoundError",
    "ReplicationError",
    "ReplicationFailedError",
    "RunTimeoutError",
    "SlingRunError",
    "StreamError",
    "TargetBusyError",
    "UnknownNameError",
    "ValueBreaksTypeError",
    "shortened",
]


# So much of a value is told.
_SHOWN = 100


def shortened(value: str | None) -> str:
    """A value for a message; the end of a long one is left out.

    Example:
        >>> shortened("a" * 200) == "a" * 100 + "…", shortened(None)
        (True, 'NULL')
    """
    if value is None:
        return "NULL"
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"


@dataclass(frozen=True)
class Position:
    """Where a value stands in a file.

    Attributes:
        source: The file's path as the user gave it, or ``"<dict>"`` for a Python mapping.
        line: Line, counted from 1. ``None`` where the source has no lines.
        column: Column, counted from 1. ``None`` where the source has no lines.
    """

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.source
        return f"{self.source}:{self.line}:{self.column}"


class MainstemError(Exception):
    """The root of the tree.

    Args:
        message: What happened, and why.
        hint: What to do about it, as a sentence. Shown behind the message.
        transient: The same may go well a moment later, with nothing changed: it is worth another attempt.

    Example:
        >>> print(MainstemError("The table is not there.", hint="Create it."))
        The table is not there. Create it.
    """

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        self.message = message
        self.hint = hint
        self.transient = transient
        between = "" if hint and hint.startswith("\n") else " "
        super().__init__(f"{message}{between}{hint}" if hint else message)


class ConfigError(MainstemError):
    """What the user wrote cannot be carried out. Nothing was read or written."""


class ReplicationError(ConfigError):
    """The replication document is wrong.

    Args:
        message: What is wrong.
        position: Where it stands, if that is known.
        hint: What to do about it.
    """

    def __init__(self, message: str, *, position: Position | None = None, hint: str | None = None) -> None:
        self.position = position
        super().__init__(f"{position}: {message}" if position else message, hint=hint)


class ConnectionConfigError(ConfigError):
    """A connection is unknown, or its properties are wrong."""


class NotSupportedYetError(ReplicationError):
    """A key or a value that Sling knows and mainstem does not carry out yet: refused, never ignored."""


class UnknownNameError(ConfigError, KeyError):
    """A name that is not in a project. Also a ``KeyError``, which existing projects catch."""

    def __str__(self) -> str:
        # A KeyError would show its message in quotes.
        return str(self.args[0])


class EndpointError(MainstemError):
    """A database or a file said no."""


class ConnectError(EndpointError):
    """The system cannot be reached, or refused the credentials."""


class RelationNotFoundError(EndpointError):
    """The stream's table, or the target's object, is not there."""


class LossyTypeError(EndpointError):
    """A value cannot arrive as it left. Nothing was published."""


class ValueBreaksTypeError(LossyTypeError):
    """A value of a file is none of the type that its column seemed to have. Nothing was published.

    Where the type was found from a sample, the stream starts anew with the wider one.

    Attributes:
        column: The column's name.
        wanted: The type that it seemed to have, for people.
        wider: An Arrow type that holds this value too; ``None`` where none is known.
        file: The file's name, without any secret.
        line: The line of the file, counted from 1; ``None`` where it has none.
        value: The value, as text.
    """

    def __init__(
        self,
        *,
        column: str,
        wanted: str,
        wider: object | None,
        file: str,
        value: str,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        self.column = column
        self.wanted = wanted
        self.wider = wider
        self.file = file
        self.line = line
        self.value = value
        where = file if line is None else f"{file}:{line}"
        super().__init__(
            f"{where}: column {column} is {wanted}, but holds {shortened(value)!r}.",
            hint=hint or f"Declare it: `columns: {{{column}: string}}`.",
        )


class ConstraintError(EndpointError):
    """A row breaks a constraint of `columns`. Nothing was published.

    Attributes:
        column: The column's name in the target.
        declared: The name under which the document has the constraint; ``*`` for every column.
        constraint: The constraint.
        value: The value that breaks it, as text; ``None`` is NULL.
    """

    def __init__(self, *, column: str, declared: str, constraint: str, value: str | None) -> None:
        self.column = column
        self.declared = declared
        self.constraint = constraint
        self.value = value
        super().__init__(
            f"{column}: `{constraint}` does not hold for {shortened(value)}. Nothing was published.",
            hint="Mend the row, or set SLING_ON_CONSTRAINT_FAILURE to warn or skip.",
        )


class HookError(MainstemError):
    """A hook of a replication, or a step of a pipeline, failed."""


class RunTimeoutError(MainstemError):
    """The time of a run is over (`SLING_TIMEOUT`). What was published stays; nothing half was."""


class AmbiguousKeyError(EndpointError):
    """Rows cannot be told apart by their primary key. Nothing was published."""


class TargetBusyError(EndpointError):
    """Someone else holds a table or a file, and did not let go within the time we wait.

    Whoever it is will let go some time: it is worth another attempt.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, transient=True)


class DbtRunError(MainstemError):
    """A dbt command failed. What dbt did before, or beside, was reported.

    Attributes:
        command: The dbt command, such as ``build``.
        exit_code: The exit code of the dbt process.
        failures: For each failed node, its type, name and file: dbt's message. Empty where dbt failed
            before it ran any.
        skipped: The nodes that dbt did not run, because one before them failed.
    """

    def __init__(
        self,
        command: str,
        *,
        exit_code: int,
        failures: Mapping[str, str],
        skipped: Sequence[str] = (),
        said: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        self.command = command
        self.exit_code = exit_code
        self.failures = dict(failures)
        self.skipped = tuple(skipped)
        if failures:
            nodes = "1 node" if len(failures) == 1 else f"{len(failures)} nodes"
            said = [f"{node}: {message}" for node, message in failures.items()]
            skipping = f" It skipped {len(skipped)}, which depend on what failed." if skipped else ""
            headline = f"dbt {command} failed in {nodes}.{skipping}"
        else:
            headline = f"dbt {command} failed with exit code {exit_code}."
        lines = [f"  {line}" for text in said for line in text.strip().splitlines()]
        super().__init__("\n".join([headline, *lines]), hint=f"\n{hint}" if hint else None)


class SlingRunError(MainstemError):
    """Sling's own program failed.

    Attributes:
        exit_code: The exit code of its process.
    """

    def __init__(
        self, what: str, *, exit_code: int, said: Sequence[str] = (), hint: str | None = None
    ) -> None:
        self.exit_code = exit_code
        lines = [f"  {line}" for text in said for line in text.strip().splitlines()]
        super().__init__("\n".join([what, *lines]), hint=f"\n{hint}" if hint else None)


class StreamError(MainstemError):
    """One stream failed.

    Attributes:
        stream: The stream's name, as it stands in the replication.
        phase: What the engine was doing: ``connect``, ``plan``, ``read``, ``transform``, ``stage``,
            ``publish`` or ``cleanup``. In dlt, its own step: ``extract``, ``normalize`` or ``load``.
        cause: The error itself.
    """

    def __init__(self, *, stream: str, phase: str, cause: MainstemError) -> None:
        self.stream = stream
        self.phase = phase
        self.cause = cause
        super().__init__(f"Stream {stream} failed in phase {phase}: {cause}", transient=cause.transient)

    def after_publish(self) -> None:
        """Say that the stream's rows were published before: another attempt would publish them again."""
        self.transient = False
        self.message = f"{self.message} Its rows are published, so it was not tried again."
        self.args = (self.message,)


class HookStageError(StreamError):
    """The hooks at the start or the end of a replication failed; its ``stream`` is ``hooks.start`` or so.

    Attributes:
        stage: ``start`` or ``end``.
    """

    def __init__(self, *, stage: str, cause: MainstemError) -> None:
        self.stage = stage
        super().__init__(stream=f"hooks.{stage}", phase=stage, cause=cause)
        self.message = f"The hooks at `{stage}` failed: {cause}"
        self.args = (self.message,)


class ReplicationFailedError(MainstemError):
    """Raised at the end of a run in which at least one stream failed.

    Attributes:
        failures: The failed streams, in the order of the run.
        succeeded: The names of the streams that were published; their targets hold the new rows.
        skipped: The names of the streams that were not tried.
    """

    def __init__(
        self, failures: Sequence[StreamError], succeeded: Sequence[str], skipped: Sequence[str] = ()
    ) -> None:
        self.failures = tuple(failures)
        self.succeeded = tuple(succeeded)
        self.skipped = tuple(skipped)
        total = len(self.failures) + len(self.succeeded) + len(self.skipped)
        counted = f"{len(self.failures)} of {total} streams failed; {len(self.succeeded)} published"
        lines = [f"{counted}; {len(self.skipped)} skipped." if self.skipped else f"{counted}."]
        lines += [f"  {failure}" for failure in self.failures]
        super().__init__("\n".join(lines))
