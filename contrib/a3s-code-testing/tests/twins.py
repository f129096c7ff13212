"""For each suite a good implementation (`TestGood...`) and a twin with one wrong line (`TestTwin...`).

Run by `test_twins.py` in a process of its own; not collected otherwise.
"""

import os
from collections.abc import AsyncIterator, Callable

import pytest
from a3s_code_testing.contracts import (
    BashSandboxContract,
    ConfirmationProviderContract,
    HookExecutorContract,
    HttpClientContract,
    LlmClientContract,
    PermissionCheckerContract,
    SecurityProviderContract,
    SessionCommandContract,
    SessionStoreContract,
    ToolContract,
)
from a3s_code_testing.contracts.http import PAGES
from a3s_code_tools.sandbox import LocalBashExecutor
from attrs import evolve

from a3s_code.plugin import (
    Answer,
    Answerer,
    BashCommand,
    BashResult,
    ConfirmationPolicy,
    ConfirmationRequest,
    Decision,
    Effects,
    Hook,
    HttpRequest,
    JsonObject,
    ModelError,
    ModelErrorKind,
    ModelEvent,
    ModelRequest,
    Outcome,
    PermissionRequest,
    SessionCommand,
    ToolError,
    ToolOutput,
    ToolUse,
    ToolWork,
    Verdict,
)
from a3s_code.testing import (
    DictSessionStore,
    FakeTool,
    InlineCommand,
    InlineCommands,
    ListHookExecutor,
    Page,
    RecordingHttp,
    RulePermissionChecker,
    ScriptedClient,
    ScriptedConfirmation,
    WordSecurityProvider,
)

# --- llm_client


class TestGoodLlmClient(LlmClientContract):
    @pytest.fixture
    def make_client(self):
        return ScriptedClient


class EndsWithoutReply(ScriptedClient):
    """A stream that broke off ends as if it were whole."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        try:
            async for event in super().stream(request):
                yield event
        except ModelError as error:
            if error.kind is not ModelErrorKind.TRUNCATED:
                raise


class TestTwinLlmClient(LlmClientContract):
    @pytest.fixture
    def make_client(self):
        return EndsWithoutReply


# --- tool


def read_note(args: JsonObject, use: ToolUse) -> str:
    return use.workspace.read_bytes(str(args["path"])).decode()


SCHEMA: JsonObject = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}


class TestGoodTool(ToolContract):
    answer = staticmethod(read_note)

    @pytest.fixture
    def tool(self):
        return FakeTool("note", self.answer, effects=Effects.READ_ONLY, schema=SCHEMA)

    @pytest.fixture
    def arguments(self, workspace):
        (workspace / "note.txt").write_text("hello")
        return {"path": "note.txt"}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"path": "missing.txt"}


def read_and_mark(args: JsonObject, use: ToolUse) -> str:
    """Says that it only reads, and leaves a mark."""
    text = read_note(args, use)
    use.workspace.write_bytes("last-read", b"x")
    return text


class TestTwinTool(TestGoodTool):
    answer = staticmethod(read_and_mark)


# --- permission_checker


class TestGoodPermissionChecker(PermissionCheckerContract):
    @pytest.fixture
    def make_checker(self):
        return RulePermissionChecker


class AllowBeatsAsk(RulePermissionChecker):
    def check(self, request: PermissionRequest) -> Verdict:
        verdict = super().check(request)
        return Verdict(Decision.ALLOW) if request.tool in self.allow - self.deny else verdict


class TestTwinPermissionChecker(PermissionCheckerContract):
    @pytest.fixture
    def make_checker(self):
        return AllowBeatsAsk


# --- confirmation_provider


class TestGoodConfirmationProvider(ConfirmationProviderContract):
    kind = ScriptedConfirmation

    @pytest.fixture
    def make_provider(self):
        def make(answerer: Answerer | None, policy: ConfirmationPolicy) -> ScriptedConfirmation:
            return self.kind(*([answerer] if answerer else []), policy=policy)

        return make


class SilenceIsConsent(ScriptedConfirmation):
    async def confirm(self, request: ConfirmationRequest) -> Answer:
        answer = await super().confirm(request)
        return Answer(outcome=Outcome.APPROVED) if answer.outcome is Outcome.TIMEOUT else answer


class TestTwinConfirmationProvider(TestGoodConfirmationProvider):
    kind = SilenceIsConsent


# --- security_provider


class TestGoodSecurityProvider(SecurityProviderContract):
    @pytest.fixture
    def security_provider(self, secret):
        return WordSecurityProvider(secret)


class ShowsTooEarly(WordSecurityProvider):
    def safe_length(self, text: str) -> int:
        return max(0, len(text) - 1)


class TestTwinSecurityProvider(SecurityProviderContract):
    @pytest.fixture
    def security_provider(self, secret):
        return ShowsTooEarly(secret)


# --- session_store


class TestGoodSessionStore(SessionStoreContract):
    @pytest.fixture
    def session_store(self):
        return DictSessionStore()


class ForksWithoutImages(DictSessionStore):
    async def fork(self, id: str, new_id: str) -> None:
        await super().fork(id, new_id)
        self._kept[new_id].blobs.clear()


class TestTwinSessionStore(SessionStoreContract):
    @pytest.fixture
    def session_store(self):
        return ForksWithoutImages()


# --- hook_executor


class TestGoodHookExecutor(HookExecutorContract):
    @pytest.fixture
    def hook_executor(self):
        return ListHookExecutor()


class SortsById(ListHookExecutor):
    """Hooks of the same priority run in the order of their ids."""

    def register(self, hook: Hook) -> None:
        super().register(hook)
        self._hooks.sort(key=lambda hook: hook.id)


class TestTwinHookExecutor(HookExecutorContract):
    @pytest.fixture
    def hook_executor(self):
        return SortsById()


# --- bash_sandbox


class TestGoodBashSandbox(BashSandboxContract):
    @pytest.fixture
    def bash_sandbox(self):
        return LocalBashExecutor()


class InheritsEnvironment(LocalBashExecutor):
    async def run(self, command: BashCommand, on_output: Callable[[str], None]) -> BashResult:
        return await super().run(evolve(command, env={**os.environ, **command.env}), on_output)


class TestTwinBashSandbox(BashSandboxContract):
    @pytest.fixture
    def bash_sandbox(self):
        return InheritsEnvironment()


# --- session_command


class TestGoodSessionCommand(SessionCommandContract):
    @pytest.fixture
    def session_command_maker(self):
        return InlineCommands()


class RetryingCommand(InlineCommand):
    async def execute(self) -> ToolOutput:
        try:
            return await super().execute()
        except ToolError:
            return await super().execute()


class RetryingCommands(InlineCommands):
    def make(self, work: ToolWork) -> SessionCommand:
        return RetryingCommand(work)


class TestTwinSessionCommand(SessionCommandContract):
    @pytest.fixture
    def session_command_maker(self):
        return RetryingCommands()


# --- http_client


def serve(request: HttpRequest) -> Page:
    if request.url.startswith("http://nobody.test"):
        raise ModelError("nobody is there", kind=ModelErrorKind.CONNECTION)
    path = "/" + request.url.split("/", 3)[3]
    if path == "/echo":
        return Page(body=[f"{request.method} {dict(request.headers)['x-one']} ".encode() + request.body])
    return PAGES[path]


class TestGoodHttpClient(HttpClientContract):
    kind = RecordingHttp

    @pytest.fixture
    def http_client(self):
        return self.kind(serve)

    @pytest.fixture
    def origin(self):
        return "http://127.0.0.1:8001"

    @pytest.fixture
    def elsewhere(self):
        return "http://127.0.0.1:8002"

    @pytest.fixture
    def nobody(self):
        return "http://nobody.test"


class HalfIsEnough(RecordingHttp):
    """A body that broke off passes for a whole one."""

    def answer(self, request: HttpRequest) -> Page:
        page = super().answer(request)
        broke_off = isinstance(page.then, ModelError) and page.then.kind is ModelErrorKind.TRUNCATED
        return evolve(page, then=None) if broke_off else page


class TestTwinHttpClient(TestGoodHttpClient):
    kind = HalfIsEnough
