"""Reads a plan out of what a model wrote: pure functions that never raise."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

from attrs import evolve

from a3s_code.plugin import Complexity, ExecutionPlan, Json, PlanStep

__all__ = ["in_order", "parse_plan"]

_MAX_CHARS = 200_000
_MAX_TRIES = 200
_NOTHING = frozenset({"", "none", "null", "n/a", "-", "[]"})


def parse_plan(text: str, prompt: str, tools: Sequence[str] = ()) -> ExecutionPlan | None:
    """The plan in *text*: its first JSON object with steps, in a fence, in prose or alone.

    Args:
        text: The model's answer; only its first 200,000 characters are looked at.
        prompt: The goal where the model gives none.
        tools: Names of the tools that exist; others are not taken over. Empty takes every name.

    Returns:
        None when there is no such object, or its steps have an id twice, an unknown dependency or a cycle.
    """
    for found in _objects(text[:_MAX_CHARS]):
        if isinstance(found.get("steps"), list):
            return _plan(found, prompt, tools)
    return None


def _objects(text: str) -> Iterator[dict[str, Json]]:
    """JSON objects of *text* in the order of their opening braces, inner ones too."""
    decoder = json.JSONDecoder()
    for brace in list(re.finditer(r"\{", text))[:_MAX_TRIES]:
        try:
            found, _ = decoder.raw_decode(text, brace.start())
        except (ValueError, RecursionError):
            continue
        yield found


def _plan(found: Mapping[str, Json], prompt: str, tools: Sequence[str]) -> ExecutionPlan | None:
    raw_steps = found["steps"]
    assert isinstance(raw_steps, list)
    steps = [_step(raw, number, tools) for number, raw in enumerate(raw_steps, start=1)]
    known = [step for step in steps if step is not None]
    ordered = in_order([_with_known_ids(step, raw, known) for step, raw in zip(known, raw_steps, strict=False)])
    if not known or len(known) != len(steps) or ordered is None:
        return None
    return ExecutionPlan(
        goal=_text(found.get("goal")) or prompt,
        steps=ordered,
        complexity=_complexity(found.get("complexity")),
        required_tools=tuple(dict.fromkeys(_tools(found.get("required_tools"), tools))),
    )
