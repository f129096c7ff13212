"""The entry points: a security provider, a permission checker, and somebody who asks."""

from attrs import frozen

from a3s_code.plugin import (
    Answerer,
    ConfirmationPolicy,
    ConfirmationProvider,
    Decision,
    Lane,
    PermissionChecker,
    SecurityProvider,
    TimeoutAction,
    hookimpl,
    setting,
)

__all__ = [
    "ConfirmationConfig",
    "CustomPattern",
    "PolicyConfig",
    "SecurityConfig",
    "a3s_code_confirmation_provider",
    "a3s_code_permission_checker",
    "default_security",
    "no_security",
]


@frozen(kw_only=True)
class CustomPattern:
    """A `custom_patterns` block."""

    name: str = setting("custom", "Name in messages.")
    regex: str = setting("", "Regular expression (Python's), matched within single lines.")
    label: str = setting("CUSTOM", "Word that stands in the place of a match: [REDACTED:<label>].")


@frozen(kw_only=True)
class SecurityConfig:
    """`plugin "security_provider" "default"`"""

    custom_patterns: tuple[CustomPattern, ...] = setting((), "Further patterns to redact.")


@frozen(kw_only=True)
class PolicyConfig:
    """`plugin "policy"`"""

    allow: tuple[str, ...] = setting((), 'Calls that run, such as "read(*)" and "bash(git diff *)".')
    deny: tuple[str, ...] = setting((), "Calls that are refused; wins over the other two.")
    ask: tuple[str, ...] = setting((), "Calls that a person is asked about; wins over allow.")
    default: Decision = setting(Decision.ASK, 'What no rule matching means: "allow", "ask" or "deny".')
    permissive: bool = setting(False, "Run what would be asked about; deny still wins.")


@frozen(kw_only=True)
class ConfirmationConfig:
    """`plugin "manager"`"""

    enabled: bool = setting(False, "Wait for confirm_tool_use even when no answerer is registered.")
    timeout_ms: int = setting(30_000, "Milliseconds to wait for an answer.")
    timeout_action: TimeoutAction = setting(TimeoutAction.REJECT, 'What no answer means: "reject" or "auto_approve".')
    yolo_lanes: frozenset[Lane] = setting(frozenset(), "Lanes whose calls are approved without a question.")


@hookimpl(specname="a3s_code_security_provider")
def default_security(config: SecurityConfig) -> SecurityProvider:
    from a3s_code_guard.security import DefaultSecurityProvider

    return DefaultSecurityProvider(config.custom_patterns)


@hookimpl(specname="a3s_code_security_provider")
def no_security() -> SecurityProvider:
    from a3s_code_guard.security import OpenSecurityProvider

    return OpenSecurityProvider()


@hookimpl
def a3s_code_permission_checker(config: PolicyConfig) -> PermissionChecker:
    from a3s_code_guard.permission import PermissionPolicy

    return PermissionPolicy(
        allow=config.allow,
        deny=config.deny,
        ask=config.ask,
        default=config.default,
        permissive=config.permissive,
    )


@hookimpl
def a3s_code_confirmation_provider(config: ConfirmationConfig, answerer: Answerer | None) -> ConfirmationProvider:
    from a3s_code_guard.confirmation import ConfirmationManager

    policy = ConfirmationPolicy(
        enabled=config.enabled,
        timeout_ms=config.timeout_ms,
        timeout_action=config.timeout_action,
        yolo_lanes=config.yolo_lanes,
    )
    return ConfirmationManager(policy, answerer)
