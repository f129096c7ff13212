"""The factory of this distribution."""

from a3s_code.plugin import Planner, hookimpl

__all__ = ["llm_planner"]


@hookimpl
def llm_planner() -> Planner:
    from a3s_code_planning.llm_planner import LlmPlanner

    return LlmPlanner()
