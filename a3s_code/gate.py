"""The gate: the one place that every call passes, whoever asks for it.

    schema → skill rule → pre_tool_use hook → permission → confirmation → Permit

What happens when a gating point is empty, raises, hangs or answers nonsense is decided here and by no plugin.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy

import orjson
from attrs import evolve, frozen

from a3s_code.errors import PluginError, ToolError, ToolErrorKind
from a3s_code.events import ConfirmationReceived, ConfirmationRequired, ConfirmationTimeout, Event, Warned
from a3s_code.logs import get_log
from a3s_code.messages import JsonObject, ToolCall
from a3s_code.points.confirmation import Answer, ConfirmationProvider, ConfirmationRequest, Outcome
from a3s_code.points.hooks import HookEvent, HookEventType, HookExecutor, HookResult
from a3s_code.points.permission import Decision, PermissionChecker, PermissionRequest, Verdict
from a3s_code.points.session_command import Permit
from a3s_code.points.tools import (
    CommandTarget,
    Effects,
    OtherTarget,
    PathTarget,
    Target,
    ToolSpec,
    UrlTarget,
    Workspace,
    lane_of,
)
from a3s_code.redaction import Cleaner
from a3s_code.replies import problem_of
from a3s_code.schemas import Schema
from a3s_code.threads import in_thread, is_being_cancelled

__all__ = ["Gate", "GatePoints", "GateSettings", "Passed", "Refusal", "call_hash"]

CHECK_DEADLINE_S = 10.0
PERMIT_LIFETIME_S = 3600.0
REWRITES_AT_MOST = 3


@frozen
class Refusal:
    """A call that does not run, with the text for the model."""

    text: str
    kind: ToolErrorKind = ToolErrorKind.DENIED


@frozen
class Passed:
    """A call that may run with these arguments."""

    call: ToolCall
    permit: Permit
    effects: Effects


@frozen(kw_only=True)
class GateSettings:
    """What the session decides about its gate.

    Args:
        session_id: The session.
        permissive: What would be asked about is allowed.
        govern_direct_calls: Direct calls of the embedding program pass the whole gate.
        hook_deadline_s: Seconds that all hooks of a call may take together.
        readable: Folders besides the workspace that hold the session's own output.
        confirmation_slack_s: Seconds beyond the policy's own timeout after which the provider counts as hanging.
    """

    session_id: str
    permissive: bool = False
    govern_direct_calls: bool = False
    readable: tuple[str, ...] = ()
    hook_deadline_s: float = 60.0
    confirmation_slack_s: float = 5.0
    check_deadline_s: float = CHECK_DEADLINE_S


@frozen(kw_only=True)
class GatePoints:
    """The gating points, opened at first need."""

    permission: Callable[[], Awaitable[PermissionChecker]]
    confirmation: Callable[[], Awaitable[ConfirmationProvider]]
    hooks: Callable[[], Awaitable[HookExecutor]]


class Gate:
    """Judges calls.

    Args:
        points: Who is asked.
        workspace: Resolves paths.
        cleaner: Cleans arguments before a person sees them.
        settings: The session's decisions.
        emit: Where events go.
    """

    def __init__(
        self,
        points: GatePoints,
        workspace: Workspace,
        cleaner: Cleaner,
        settings: GateSettings,
        emit: Callable[[Event], None],
    ):
        self._points = points
        self._workspace = workspace
        self._cleaner = cleaner
        self._settings = settings
        self._emit = emit
        self._warned = False

    async def judge(self, call: ToolCall, spec: ToolSpec, schema: Schema, origin: str) -> Passed | Refusal:
        """Whether the call may run. A change of its arguments starts again at the schema, at most three times."""
        approved: JsonObject | None = None  # arguments that a person wrote need no second question
        for _ in range(REWRITES_AT_MOST + 1):
            if (problem := problem_of(call.arguments)) is not None:  # of a hook, a person or the host: replies are fit
                text = f"{call.name} did not run: its arguments cannot be kept ({problem})"
                return Refusal(text, ToolErrorKind.INVALID_ARGUMENT)
            if not schema.is_certainly_valid(call.arguments) and (refusal := await self._faults(call, schema)):
                return refusal
            declared = await self._declared(call, spec)
            if isinstance(declared, Refusal):
                return declared
            targets, effects = declared
            changed = await self._hook(call, origin)
            if isinstance(changed, Refusal):
                return changed
            if changed == call.arguments:
                judged = await self._permission(call, targets, effects, origin, approved)
                if isinstance(judged, Passed | Refusal):
                    return judged
                changed = approved = judged
            call = evolve(call, arguments=changed)
        return Refusal(f"{call.name}: its arguments were changed more than {REWRITES_AT_MOST} times; nothing was run")

    async def covers(self, permit: Permit, call: ToolCall, spec: ToolSpec) -> bool:
        """Whether what was permitted still is: same call, same targets, same policy, not expired."""
        if permit.call_hash != call_hash(call) or time.monotonic() > permit.expires_at:
            return False
        declared = await self._declared(call, spec)
        if isinstance(declared, Refusal):
            return False
        return permit.targets == _texts(declared[0]) and permit.policy_version == await self._policy_version()

    async def _declared(self, call: ToolCall, spec: ToolSpec) -> tuple[tuple[Target, ...], Effects] | Refusal:
        """What the call touches, resolved, and does; in a thread, because a stranger's code may take its time."""
        try:
            return await in_thread(self._resolve, spec, call, timeout_s=self._settings.check_deadline_s)
        except ToolError as error:
            return Refusal(str(error), error.kind)
        except TimeoutError:
            return Refusal(f"{call.name} did not run: it did not say in time what it touches")
        except Exception as error:  # noqa: BLE001 # foreign code
            return Refusal(f"{call.name} did not run: what it touches is unknown ({type(error).__name__}: {error})")

    async def _faults(self, call: ToolCall, schema: Schema) -> Refusal | None:
        """What jsonschema finds; in a thread, because a stranger's schema may hold a pattern that never ends."""
        try:
            faults = await in_thread(schema.faults, call.arguments, timeout_s=self._settings.check_deadline_s)
        except TimeoutError:
            faults = ["they could not be checked in time"]
        if not faults:
            return None
        return Refusal(f"invalid arguments for {call.name}: {'; '.join(faults)}", ToolErrorKind.INVALID_ARGUMENT)

    def _resolve(self, spec: ToolSpec, call: ToolCall) -> tuple[tuple[Target, ...], Effects]:
        """The targets with canonical paths, and the effects."""
        targets = tuple(
            PathTarget(str(self._workspace.resolve(target.path, write=target.write)), target.write)
            if isinstance(target, PathTarget)
            else target
            for target in spec.targets(call.arguments)
        )
        return targets, _effects(call, spec)

    async def _hook(self, call: ToolCall, origin: str) -> JsonObject | Refusal:
        """The arguments after the pre_tool_use hooks."""
        if origin == "host" and not self._settings.govern_direct_calls:
            return call.arguments
        payload: JsonObject = {
            "session_id": self._settings.session_id,
            "tool": call.name,
            "args": deepcopy(dict(call.arguments)),
            "working_directory": str(self._workspace.root),
        }
        event = HookEvent(event_type=HookEventType.PRE_TOOL_USE, session_id=self._settings.session_id, payload=payload)
        try:
            hooks = await self._points.hooks()
            async with asyncio.timeout(self._settings.hook_deadline_s):
                result = await hooks.fire(event)
        except TimeoutError:
            return Refusal(f"{call.name} was blocked: its hooks did not answer in time")
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code; a gating hook that fails blocks
            return Refusal(f"{call.name} was blocked: its hooks failed ({type(error).__name__}: {error})")
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            return Refusal(f"{call.name} was blocked: its hooks cancelled themselves")
        if not isinstance(result, HookResult) or not isinstance(result.payload, Mapping):
            return Refusal(f"{call.name} was blocked: the hook executor answered {type(result).__name__}")
        if result.blocked is not None:
            return Refusal(f"Tool '{call.name}' blocked by hook: {result.blocked}")
        if result.retry_delay_ms is not None:
            return Refusal(f"{call.name} was put off by a hook; try again in {result.retry_delay_ms} ms")
        args = result.payload.get("args", call.arguments)
        if not isinstance(args, Mapping):
            return Refusal(f"{call.name} was blocked: a hook changed its arguments to {type(args).__name__}")
        return args

    async def _permission(
        self, call: ToolCall, targets: tuple[Target, ...], effects: Effects, origin: str, approved: JsonObject | None
    ) -> Passed | Refusal | JsonObject:
        """Passed, refused, or the arguments that a person wrote instead."""
        verdict, version = await self._verdict(call, targets, effects)
        if verdict.decision is Decision.DENY:
            why = verdict.reason or (f"rule {verdict.rule}" if verdict.rule else "")
            return Refusal(
                f"Permission denied: Tool '{call.name}' is blocked by permission policy{why and f': {why}'}. Do not "
                "retry it; go on without it, or tell the user."
            )
        is_free = self._settings.permissive or (origin == "host" and not self._settings.govern_direct_calls)
        if verdict.decision is Decision.ALLOW or is_free:
            permit = _permit(call, targets, verdict.rule or verdict.decision.value, version, origin)
            return Passed(call, permit, effects)
        if approved != call.arguments:
            answer = await self._ask(call, effects, verdict.reason)
            if isinstance(answer, Refusal):
                return answer
            if answer.arguments is not None and answer.arguments != call.arguments:
                return answer.arguments
        return Passed(call, _permit(call, targets, "person", version, origin), effects)

    async def _verdict(self, call: ToolCall, targets: tuple[Target, ...], effects: Effects) -> tuple[Verdict, str]:
        """The checker's answer; an absent checker means ask, a broken one deny."""
        request = PermissionRequest(
            tool=call.name,
            arguments=call.arguments,
            targets=targets,
            effects=effects,
            workspace=str(self._workspace.root),
            readable=self._settings.readable,
        )
        try:
            checker = await self._points.permission()
        except PluginError as error:
            decision = Decision.ASK if error.is_missing else Decision.DENY
            return Verdict(decision, None, f"the permission checker could not be opened: {error}"), ""
        try:
            verdict = await in_thread(checker.check, request, timeout_s=self._settings.check_deadline_s)
            version = checker.version
        except TimeoutError:
            return Verdict(Decision.DENY, None, "the permission checker did not answer in time"), ""
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code; a broken checker denies
            get_log().error("permission checker failed", error=type(error).__name__)
            return Verdict(Decision.DENY, None, f"the permission checker failed ({type(error).__name__})"), ""
        if not isinstance(verdict, Verdict) or not isinstance(verdict.decision, Decision):
            return Verdict(Decision.DENY, None, f"the permission checker answered {verdict!r:.80}"), ""
        return verdict, version

    async def _policy_version(self) -> str:
        try:
            return (await self._points.permission()).version
        except Exception:  # noqa: BLE001 # foreign code; an unknown version covers only permits made without one
            return ""

    async def _ask(self, call: ToolCall, effects: Effects, reason: str) -> Answer | Refusal:
        """A person's answer; a provider that fails in any way refuses."""
        name = call.name
        shown = await self._cleaner.clean_json(call.arguments)
        request = ConfirmationRequest(
            tool_id=call.id, tool_name=name, arguments=shown, reason=reason, lane=lane_of(effects)
        )
        try:
            provider = await self._points.confirmation()
            timeout_ms = provider.policy.timeout_ms
            self._emit(ConfirmationRequired(call.id, name, shown, timeout_ms))
            async with asyncio.timeout(timeout_ms / 1000 + self._settings.confirmation_slack_s):
                answer = await provider.confirm(request)
        except TimeoutError:
            self._emit(ConfirmationTimeout(call.id, "rejected"))
            return Refusal(f"the question about {name} was not answered in time; do not retry it, tell the user")
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code
            return Refusal(f"nobody could be asked about {name}: {type(error).__name__}: {error}")
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            return Refusal(f"nobody could be asked about {name}: the question cancelled itself")
        if not isinstance(answer, Answer) or not isinstance(answer.outcome, Outcome):
            return Refusal(f"the confirmation provider answered {type(answer).__name__}; {name} did not run")
        if answer.reason is not None:
            answer = evolve(answer, reason=await self._cleaner.clean(str(answer.reason)))
        return self._judged(call, answer)

    def _judged(self, call: ToolCall, answer: Answer) -> Answer | Refusal:
        match answer.outcome:
            case Outcome.APPROVED:
                self._emit(ConfirmationReceived(call.id, True, answer.reason))
                return answer
            case Outcome.REJECTED:
                self._emit(ConfirmationReceived(call.id, False, answer.reason))
                reason = f" Reason: {answer.reason}." if answer.reason else ""
                return Refusal(
                    f"{call.name} was REJECTED by the user.{reason} DO NOT retry it; ask or go on without it."
                )
            case Outcome.TIMEOUT:
                self._emit(ConfirmationTimeout(call.id, "rejected"))
                return Refusal(f"nobody answered the question about {call.name}; do not retry it, tell the user")
            case Outcome.UNAVAILABLE:
                self._warn_once()
                return Refusal(
                    f"{call.name} needs a person's permission and nobody can be asked. Tell the user to pass "
                    "on_confirm=..., an allow rule for it, or permissive=True."
                )

    def _warn_once(self) -> None:
        if not self._warned:
            self._warned = True
            text = (
                "a call that needs permission was refused because nobody can be asked: pass "
                "SessionOptions(on_confirm=...), allow it with permission_checker=PermissionPolicy().allow(...), "
                "or set permissive = true"
            )
            self._emit(Warned(text))
            get_log().warning(text)


def _effects(call: ToolCall, spec: ToolSpec) -> Effects:
    """What the call does; all that the tool does when a stranger's code cannot say it."""
    try:
        effects: object = spec.effects_for(call.arguments)
    except (Exception, SystemExit):  # noqa: BLE001 # foreign code
        return spec.effects
    return effects if isinstance(effects, Effects) else spec.effects


def _permit(call: ToolCall, targets: tuple[Target, ...], rule: str, version: str, origin: str) -> Permit:
    return Permit(
        call_hash=call_hash(call),
        targets=_texts(targets),
        rule=rule,
        policy_version=version,
        origin=origin,
        isolation="none",
        expires_at=time.monotonic() + PERMIT_LIFETIME_S,
    )


def call_hash(call: ToolCall) -> str:
    """SHA-256 of the canonical call."""
    canonical = orjson.dumps([call.name, dict(call.arguments)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def _texts(targets: tuple[Target, ...]) -> tuple[str, ...]:
    texts = []
    for target in targets:
        match target:
            case PathTarget(path, write):
                texts.append(f"{'write' if write else 'read'}:{path}")
            case CommandTarget(command):
                texts.append(f"command:{command}")
            case UrlTarget(url):
                texts.append(f"url:{url}")
            case OtherTarget(text):
                texts.append(f"other:{text}")
    return tuple(texts)
