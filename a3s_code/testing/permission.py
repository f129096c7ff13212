"""Permission checkers for tests: rules by tool name, all allowed, all denied."""

from collections.abc import Iterable

from a3s_code.plugin import Decision, PermissionChecker, PermissionRequest, Verdict

__all__ = ["AllowAll", "DenyAll", "RulePermissionChecker"]


class RulePermissionChecker(PermissionChecker):
    """Decides by the tool's name; deny beats ask beats allow, and what no set names gets the default.

    The sets can be changed while a session runs; the version changes with them.

    Attributes:
        allow: Names that may run.
        ask: Names a person is asked about.
        deny: Names that are refused.
        requests: Everything that was judged.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        ask: Iterable[str] = (),
        deny: Iterable[str] = (),
        default: Decision = Decision.ASK,
    ):
        self.allow, self.ask, self.deny = set(allow), set(ask), set(deny)
        self.default = default
        self.requests: list[PermissionRequest] = []

    @property
    def version(self) -> str:
        return repr((sorted(self.allow), sorted(self.ask), sorted(self.deny), self.default.value))

    def check(self, request: PermissionRequest) -> Verdict:
        self.requests.append(request)
        for decision, names in ((Decision.DENY, self.deny), (Decision.ASK, self.ask), (Decision.ALLOW, self.allow)):
            if request.tool in names:
                return Verdict(decision, rule=request.tool, reason=f"{request.tool} is on the {decision.value} list")
        return Verdict(self.default, reason=f"no rule names {request.tool}")


class AllowAll(RulePermissionChecker):
    """Every call may run."""

    def __init__(self) -> None:
        super().__init__(default=Decision.ALLOW)


class DenyAll(RulePermissionChecker):
    """No call may run."""

    def __init__(self) -> None:
        super().__init__(default=Decision.DENY)
