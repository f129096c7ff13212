"""PermissionPolicy: which calls run, which are asked about, which are refused."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias

from attrs import evolve, field, frozen

from a3s_code.plugin import (
    CommandTarget,
    ConfigError,
    Decision,
    Effects,
    PathTarget,
    PermissionRequest,
    Target,
    UrlTarget,
    Verdict,
)
from a3s_code_guard import shell
from a3s_code_guard.programs import surprising_words
from a3s_code_guard.rules import (
    PermissionRule,
    covers_command,
    covers_target,
    names_command,
    relative,
    targets_of,
)

__all__ = ["PermissionPolicy"]

Rules: TypeAlias = Iterable[str | PermissionRule]


def _parsed(rules: Rules) -> tuple[PermissionRule, ...]:
    return tuple(rule if isinstance(rule, PermissionRule) else PermissionRule.parse(rule) for rule in rules)


def _decision(value: Decision | str) -> Decision:
    try:
        return Decision(value)
    except ValueError:
        raise ConfigError(
            f'default = "{value}" of permission_checker:policy must be "allow", "ask" or "deny"'
        ) from None


@frozen(kw_only=True)
class PermissionPolicy:
    """Rules for calls: deny beats ask beats allow; what no rule matches follows *default*.

    A policy is a value: `allow`, `deny` and `ask` return a new one with more rules.

    Args:
        allow: Rules for calls that run.
        deny: Rules for calls that are refused.
        ask: Rules for calls that a person is asked about.
        default: What no rule matching means; "ask" still allows read-only tools inside the workspace.
        permissive: Run what would be asked about; deny still wins.
    """

    _allow: tuple[PermissionRule, ...] = field(default=(), converter=_parsed)
    _deny: tuple[PermissionRule, ...] = field(default=(), converter=_parsed)
    _ask: tuple[PermissionRule, ...] = field(default=(), converter=_parsed)
    default: Decision = field(default=Decision.ASK, converter=_decision)
    _permissive: bool = False
    version: str = field(init=False, eq=False, repr=False)

    @version.default
    def _version(self) -> str:
        return sha256(repr(self).encode()).hexdigest()[:16]

    @classmethod
    def permissive(cls) -> "PermissionPolicy":
        """Everything runs but what a rule asks about or denies."""
        return cls(default=Decision.ALLOW)

    @classmethod
    def strict(cls) -> "PermissionPolicy":
        """Nothing runs but what a rule allows or asks about."""
        return cls(default=Decision.DENY)

    def allow(self, *rules: str | PermissionRule) -> "PermissionPolicy":
        return evolve(self, allow=(*self._allow, *rules))

    def deny(self, *rules: str | PermissionRule) -> "PermissionPolicy":
        return evolve(self, deny=(*self._deny, *rules))

    def ask(self, *rules: str | PermissionRule) -> "PermissionPolicy":
        return evolve(self, ask=(*self._ask, *rules))

    def check(self, request: PermissionRequest) -> Verdict:
        verdicts = [self._judge(target, request) for target in targets_of(request)]
        verdict = max(verdicts, key=lambda verdict: _STRICTNESS[verdict.decision])
        if verdict.decision is Decision.ASK and self._permissive:
            return Verdict(Decision.ALLOW, verdict.rule, "permissive: what would be asked about runs")
        return verdict

    def _judge(self, target: Target, request: PermissionRequest) -> Verdict:
        for rules, decision, done in ((self._deny, Decision.DENY, "denied"), (self._ask, Decision.ASK, "asked about")):
            rule = _named_by(rules, target, request)
            if rule is not None:
                return Verdict(decision, str(rule), f'{request.tool} is {done} by the rule "{rule}"')
        mine = _about(self._allow, request.tool)
        if isinstance(target, CommandTarget):
            return self._judge_command(target.command, mine)
        for rule in mine:
            if covers_target(rule, target, request.workspace, broad=False):
                return Verdict(Decision.ALLOW, str(rule), f'allowed by the rule "{rule}"')
        return self._by_default(target, request)

    def _judge_command(self, command: str, allowed: Sequence[PermissionRule]) -> Verdict:
        for rule in allowed:
            if rule.is_literal and rule.pattern == command.strip():
                return Verdict(Decision.ALLOW, str(rule), f'allowed by the rule "{rule}"')
        words = shell.simple_words(command)
        if words is None:
            return Verdict(self.default, None, "the command does more than run one program with fixed words")
        surprising = surprising_words(words)
        for rule in allowed:
            if covers_command(rule, words) and set(surprising) <= set(rule.pattern.split()):
                return Verdict(Decision.ALLOW, str(rule), f'allowed by the rule "{rule}"')
        if surprising:
            return Verdict(self.default, None, f'"{surprising[0]}" can run other programs or write files')
        return Verdict(self.default, None, "no rule covers the command")

    def _by_default(self, target: Target, request: PermissionRequest) -> Verdict:
        if self.default is Decision.ASK and _reads_inside(target, request):
            return Verdict(Decision.ALLOW, None, "it only reads inside the workspace")
        return Verdict(self.default, None, f"no rule covers {request.tool} here")


_STRICTNESS = {Decision.ALLOW: 0, Decision.ASK: 1, Decision.DENY: 2}


def _about(rules: Sequence[PermissionRule], tool: str) -> list[PermissionRule]:
    return [rule for rule in rules if rule.names(tool)]


def _named_by(rules: Sequence[PermissionRule], target: Target, request: PermissionRequest) -> PermissionRule | None:
    """The first of the deny or ask rules that means this target."""
    mine = _about(rules, request.tool)
    if not isinstance(target, CommandTarget):
        return next((rule for rule in mine if covers_target(rule, target, request.workspace, broad=True)), None)
    for rule in mine:
        if rule.pattern in ("*", target.command.strip()):
            return rule
    found = shell.commands(target.command)
    for rule in mine:
        if any(names_command(rule, words) for words in found):
            return rule
    written = [PathTarget(path, write=True) for path in shell.redirections(target.command)]
    for rule in _about(rules, "write"):
        if any(covers_target(rule, path, request.workspace, broad=True) for path in written):
            return rule
    return None


def _reads_inside(target: Target, request: PermissionRequest) -> bool:
    if Effects.READ_ONLY not in request.effects or Effects.OPEN_WORLD in request.effects:
        return False
    match target:
        case PathTarget(path=path, write=write):
            folders = [folder for folder in (request.workspace, *request.readable) if folder]
            return not write and any(relative(path, folder) is not None for folder in folders)
        case UrlTarget() | CommandTarget():
            return False
        case _:
            return True
