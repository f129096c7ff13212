"""Reads a plan out of what a model wrote: pure functions that never raise."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from heapq import heapify, heappop, heappush

from a3s_code.plugin import Complexity, ExecutionPlan, Json, JsonObject, PlanStep

__all__ = ["in_order", "parse_plan"]

_MAX_CHARS = 200_000
_MAX_TRIES = 500
_NO_DEPENDENCY = frozenset({"", "-", "[]", "n/a", "none", "null"})


def parse_plan(text: str, prompt: str, tools: Collection[str] = ()) -> ExecutionPlan | None:
    """The plan in *text*: its first JSON object with a list of steps, in a fence, in prose or alone.

    Args:
        text: The model's answer; only its first 200,000 characters are looked at.
        prompt: The goal where the model gives none.
        tools: Names of the tools that exist; others are not taken over. Empty takes every name.

    Returns:
        None when there is no such object, or when a step has no description, two have one id, a dependency is unknown,
        or dependencies form a cycle.
    """
    for found in _objects(text[:_MAX_CHARS]):
        raw_steps = found.get("steps")
        if isinstance(raw_steps, list):
            steps = in_order(_steps(raw_steps, tools))
            return None if not steps else _plan(found, steps, prompt, tools)
    return None


def in_order(steps: Sequence[PlanStep]) -> tuple[PlanStep, ...] | None:
    """*steps* so that each follows its dependencies, else in the given order; None when that is not possible.

    It is not possible when an id stands twice, a dependency is unknown, or dependencies form a cycle.
    """
    places = {step.id: place for place, step in enumerate(steps)}
    if len(places) != len(steps) or any(id not in places for step in steps for id in step.dependencies):
        return None
    waiting_for = [len(set(step.dependencies)) for step in steps]
    followers: list[list[int]] = [[] for _ in steps]
    for place, step in enumerate(steps):
        for id in set(step.dependencies):
            followers[places[id]].append(place)
    ready = [place for place, number in enumerate(waiting_for) if not number]
    heapify(ready)
    ordered: list[PlanStep] = []
    while ready:
        place = heappop(ready)
        ordered.append(steps[place])
        for follower in followers[place]:
            waiting_for[follower] -= 1
            if not waiting_for[follower]:
                heappush(ready, follower)
    return tuple(ordered) if len(ordered) == len(steps) else None


def _objects(text: str) -> Iterator[JsonObject]:
    """The JSON objects of *text* in the order of their opening braces, inner ones too."""
    decoder = json.JSONDecoder()
    start = -1
    for _ in range(_MAX_TRIES):
        start = text.find("{", start + 1)
        if start < 0:
            return
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        yield found


def _plan(found: JsonObject, steps: tuple[PlanStep, ...], prompt: str, tools: Collection[str]) -> ExecutionPlan:
    required = found.get("required_tools")
    names = [_tool(name, tools) for name in required] if isinstance(required, list) else []
    return ExecutionPlan(
        goal=_text(found.get("goal")) or prompt,
        steps=steps,
        complexity=_complexity(found.get("complexity")),
        required_tools=tuple(dict.fromkeys(name for name in names if name)),
    )


def _steps(raw_steps: Sequence[Json], tools: Collection[str]) -> tuple[PlanStep, ...]:
    """The steps as written; () when one of them is none."""
    raw = [{"description": step} if isinstance(step, str) else step for step in raw_steps]
    objects = [step for step in raw if isinstance(step, dict)]
    ids = [_text(step.get("id")) or f"step-{number}" for number, step in enumerate(objects, start=1)]
    steps = [
        PlanStep(
            id=id,
            description=_text(step.get("description")) or _text(step.get("content")),
            tool=_tool(step.get("tool"), tools),
            dependencies=_dependencies(step.get("dependencies"), ids),
            success_criteria=_text(step.get("success_criteria")) or None,
        )
        for id, step in zip(ids, objects, strict=True)
    ]
    return tuple(steps) if len(steps) == len(raw) and all(step.description for step in steps) else ()


def _dependencies(raw: Json, ids: Collection[str]) -> tuple[str, ...]:
    """A list of ids, one id, or several in one string."""
    if not isinstance(raw, list):
        text = _text(raw)
        raw = [text] if text in ids else list(re.split(r"[,;]", text))
    found = [_text(id) for id in raw]
    return tuple(dict.fromkeys(id for id in found if id in ids or id.lower() not in _NO_DEPENDENCY))


def _tool(raw: Json, tools: Collection[str]) -> str | None:
    name = _text(raw)
    return name if name and (not tools or name in tools) else None


def _complexity(raw: Json) -> Complexity:
    wanted = re.sub("[^a-z]", "", _text(raw).lower())
    return next((kind for kind in Complexity if kind.value.replace("_", "") == wanted), Complexity.SIMPLE)


def _text(raw: Json) -> str:
    """A string or number as valid text, else ""."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return ""
    return str(raw).encode("utf-8", "replace").decode().strip()  # JSON may hold lone surrogates
