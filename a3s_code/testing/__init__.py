"""Fakes for tests of the kernel, of plugins and of programs that embed the agent: small, real, without a network.

    llm = ScriptedClient(call("bash", command="ls"), "two files")

There is one fake for each extension point, named after what it does in a test.
"""

from a3s_code.testing.clock import FakeClock
from a3s_code.testing.confirmation import ScriptedAnswer, ScriptedConfirmation
from a3s_code.testing.context import StaticContextProvider
from a3s_code.testing.embedding import HashEmbedding
from a3s_code.testing.hooks import HookAnswer, ListHookExecutor, RecordingHook
from a3s_code.testing.http import Page, RecordingHttp, ScriptedPage
from a3s_code.testing.mcp import LoopTransport, LoopTransports, RpcAnswer
from a3s_code.testing.memory import DictMemoryStore
from a3s_code.testing.permission import AllowAll, DenyAll, RulePermissionChecker
from a3s_code.testing.planning import FixedPlanner
from a3s_code.testing.sandbox import RecordingSandbox, ScriptedResult
from a3s_code.testing.scripted import (
    DEFAULT_USAGE,
    Hold,
    Script,
    ScriptedClient,
    ScriptedModel,
    Turn,
    call,
    last_result,
    load_script,
)
from a3s_code.testing.security import PlainSecurityProvider, WordSecurityProvider
from a3s_code.testing.session_command import InlineCommand, InlineCommands
from a3s_code.testing.sessions import DictSessionStore
from a3s_code.testing.skills import AcceptAllSkills, FixedScores
from a3s_code.testing.tools import EchoTool, FakeTool, RecordingUse, ToolAnswer
from a3s_code.testing.vectors import ListVectorStore
from a3s_code.testing.workspace import PlainWorkspace

__all__ = [
    "DEFAULT_USAGE",
    "AcceptAllSkills",
    "AllowAll",
    "DenyAll",
    "DictMemoryStore",
    "DictSessionStore",
    "EchoTool",
    "FakeClock",
    "FakeTool",
    "FixedPlanner",
    "FixedScores",
    "HashEmbedding",
    "Hold",
    "HookAnswer",
    "InlineCommand",
    "InlineCommands",
    "ListHookExecutor",
    "ListVectorStore",
    "LoopTransport",
    "LoopTransports",
    "Page",
    "PlainSecurityProvider",
    "PlainWorkspace",
    "RecordingHook",
    "RecordingHttp",
    "RecordingSandbox",
    "RecordingUse",
    "RpcAnswer",
    "RulePermissionChecker",
    "Script",
    "ScriptedAnswer",
    "ScriptedClient",
    "ScriptedConfirmation",
    "ScriptedModel",
    "ScriptedPage",
    "ScriptedResult",
    "StaticContextProvider",
    "ToolAnswer",
    "Turn",
    "WordSecurityProvider",
    "call",
    "last_result",
    "load_script",
]
