"""dlt's errors, told as ours: which resource or table, in which step, why, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dlt import Pipeline
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.exceptions import DltException
from dlt.common.pipeline import LoadInfo
from dlt.common.storages.load_package import LoadJobInfo, LoadPackageInfo
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.extract.exceptions import ResourceExtractionError, SourceExhausted
from dlt.pipeline.exceptions import PipelineStepFailed

from mainstem.dlt.secrets import Secrets
from mainstem.errors import ConfigError, ConnectError, EndpointError, MainstemError, StreamError

Told = tuple[MainstemError, BaseException | None]

# As PEP 249 names them: dlt lets a driver's own error through where it could not connect.
_DRIVERS_OWN = frozenset({"OperationalError", "InterfaceError"})
_TRACEBACK = "Traceback (most recent call last):\n"
_MODULE = re.compile(r"^(?:[A-Za-z_]\w*\.)+(?=[A-Z])")


def pipeline_error(pipeline: Pipeline, error: DltException) -> Told:
    """Tell why a run of a pipeline ended.

    Args:
        pipeline: The pipeline.
        error: What dlt raised.

    Returns:
        Our error, and its cause unless that would tell a secret.
    """
    secrets = Secrets(pipeline)
    step = error.step if isinstance(error, PipelineStepFailed) else "run"
    root = _root(error)
    if isinstance(root, ResourceExtractionError):
        cause = root.__cause__ or root
        reason = EndpointError(
            secrets.redact(_named(cause)),
            hint="Nothing was loaded: dlt extracts all resources of a run before it loads the first.",
        )
        return StreamError(stream=root.pipe_name, phase=step, cause=reason), _safe(cause, secrets)
    kind, hint = _kind_and_hint(root)
    message = f"The dlt pipeline {pipeline.pipeline_name} failed in step {step}: {_named(root)}"
    return kind(secrets.redact(message), hint=hint), _safe(root, secrets)


def pending_error(pipeline: Pipeline, error: DltException | None, load: LoadInfo | None) -> Told:
    """Tell why the packages of an earlier run still cannot be loaded.

    Args:
        pipeline: The pipeline.
        error: What dlt raised, if it raised.
        load: dlt's report on the load, if it came that far.

    Returns:
        Our error, and its cause unless that would tell a secret.
    """
    reasons = [job_reason(job, load.dataset_name) for job in failed_jobs(load.load_packages)] if load else []
    why = "; ".join(reasons) or (_named(_root(error)) if error else "its load did not end")
    name = pipeline.pipeline_name
    hint = f"Mend the cause and run again. To give those packages up: {how_to_drop(name)}."
    told = EndpointError(
        f"The dlt pipeline {name} has packages of an earlier run that still cannot be loaded: "
        f"{Secrets(pipeline).redact(why)}. Nothing new was extracted.",
        hint=hint if pipeline.has_pending_data else "dlt was told not to try them again.",
    )
    return told, safe_cause(pipeline, error)


def interruption(error: BaseException | None) -> BaseException | None:
    """What stopped the process, if that is what an error of dlt is about: Ctrl-C, say."""
    root = _root(error) if error else None
    return root if root is not None and not isinstance(root, Exception) else None


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that stand behind it, the outermost first."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def safe_cause(pipeline: Pipeline, error: BaseException | None) -> BaseException | None:
    """What stands behind an error of dlt. ``None`` if that would tell a secret."""
    return _safe(_root(error), Secrets(pipeline)) if error else None


def how_to_drop(pipeline: str) -> str:
    """The two ways to throw away a pipeline's pending packages."""
    return f"`drop_pending: true` in the run's config, or `dlt pipeline {pipeline} abort-packages`"


def failed_jobs(packages: Iterable[LoadPackageInfo]) -> Iterator[LoadJobInfo]:
    """The jobs that the destination refused: those that dlt gave up, and those that it will try again."""
    for package in packages:
        for state, jobs in package.jobs.items():
            if state != "completed_jobs":
                yield from (job for job in jobs if job.failed_message)


def job_reason(job: LoadJobInfo, dataset: str | None) -> str:
    """Tell table, file and the destination's message of a failed job. Secrets are still in it."""
    table = qualified(dataset, job.job_file_info.table_name)
    return f"table {table}, file {job.job_file_info.file_name()}: {job_message(job)}"


def job_message(job: LoadJobInfo) -> str | None:
    """The destination's own message, out of the traceback that dlt keeps of it."""
    if not job.failed_message:
        return None
    lines = job.failed_message.rsplit(_TRACEBACK, 1)[-1].strip("\n").split("\n")
    if _TRACEBACK in job.failed_message:
        while len(lines) > 1 and lines[0].startswith("  "):
            lines.pop(0)
    return _MODULE.sub("", "\n".join(lines)).strip().rstrip(".")


def qualified(dataset: str | None, table: str) -> str:
    """The table's name with its dataset, where the destination has such a thing."""
    return f"{dataset}.{table}" if dataset else table


def _root(error: BaseException) -> BaseException:
    """The error that a step of dlt stumbled over, without dlt's wrappings."""
    for attribute in ("exception", "client_exception"):
        inner = getattr(error, attribute, None)
        if isinstance(inner, BaseException):
            return _root(inner)
    return error


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().rstrip(".")


def _kind_and_hint(error: BaseException) -> tuple[type[MainstemError], str | None]:
    if isinstance(error, SourceExhausted):
        return ConfigError, (
            "Make its resources from functions, not from generators that are already running: those "
            "yield their rows only once in a process."
        )
    if isinstance(error, DestinationConnectionError) or type(error).__name__ in _DRIVERS_OWN:
        return ConnectError, "Is the destination up, and are its credentials right?"
    if isinstance(error, ConfigurationException):
        return ConfigError, None
    return EndpointError, None


def _safe(error: BaseException, secrets: Secrets) -> BaseException | None:
    return None if secrets.told_by(error) else error
