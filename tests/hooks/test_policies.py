"""What the failure of a hook means: each `on_failure` in each place."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from tests.hooks.conftest import Hooking

from mainstem.connections import ConnectionBook
from mainstem.errors import HookError
from mainstem.hooks.checking import POLICIES
from mainstem.pipeline import run_pipeline
from mainstem.settings import Settings

FAILS: dict[str, Any] = {"type": "check", "check": "1 > 2", "id": "bad"}
STREAM = '"main"."orders"'
GOES_ON = {"warn", "quiet", "break", "skip"}

# What becomes of the stream where the hook's failure ends its stage: is it published, and what is told?
ENDED: dict[str, tuple[bool, str]] = {
    "start": (False, "The hooks at `start` failed"),
    "pre": (False, "failed in phase pre"),
    "pre_merge": (False, "failed in phase publish"),
    "post_merge": (False, "failed in phase publish"),
    "post": (True, "failed in phase post"),
    "end": (True, "The hooks at `end` failed"),
}
# Where `skip` leaves the stream unpublished.
SKIPS = {"start", "pre", "pre_merge", "post_merge"}


def test_the_table_is_complete() -> None:
    assert {*POLICIES} == {*GOES_ON, "abort", "error", "defer", "retry"}


@pytest.mark.parametrize("stage", ENDED)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_means_the_same_in_each_place(hooking: Hooking, policy: str, stage: str) -> None:
    hooks = [{**FAILS, "on_failure": policy}, {"type": "log", "message": "next", "id": "next"}]
    hooking.target.put("kept", pa.table({"id": [1]}))
    stages: Any = {stage: hooks}
    ran = hooking.run(**stages)
    published, told = ENDED[stage]
    if policy in GOES_ON:
        skipped = policy == "skip" and stage in SKIPS
        assert ran.failures == []
        assert ran.published == ([] if skipped else [STREAM])
        assert ran.skipped == ([STREAM] if skipped else [])
    else:
        (failure,) = ran.failures
        assert told in failure
        assert ran.published == ([STREAM] if published else [])
    assert ("next" in ran.statuses) == (policy in {"warn", "quiet", "defer"})
    assert [event.status for event in ran.hook("bad")] == {
        "warn": ["warning"],
        "break": ["broke off"],
        "retry": ["retried", "error"],
    }.get(policy, ["error"])
    assert ran.hook("bad")[-1].level == {
        "quiet": "debug",
        "break": "debug",
        "warn": "warn",
        "skip": "warn",
    }.get(policy, "error")
    # What the failure did not let be published is not there.
    assert sorted(hooking.target.tables()) == ["kept", *(["orders"] if ran.published else [])]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_means_the_same_for_a_step_of_a_pipeline(policy: str) -> None:
    steps = {"steps": [{**FAILS, "on_failure": policy}, {"log": "next"}]}
    said, failed = [], False
    try:
        for event in run_pipeline(steps, ConnectionBook(), settings=Settings(hook_retry_delay=0)):
            said.append(event.said)
    except HookError:
        failed = True
    assert failed == (policy not in GOES_ON)
    assert ("next" in said) == (policy in {"warn", "quiet", "defer"})
