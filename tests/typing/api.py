"""What users touch, for mypy only: this file is never executed."""

from a3s_code import (
    Agent,
    AsyncAgent,
    Attachment,
    CommandContext,
    PermissionPolicy,
    SessionOptions,
    builtin_skills,
    tool,
)
from a3s_code.events import TextDelta, ToolEnd
from a3s_code.plugin import (
    BashSandbox,
    ConfirmationProvider,
    ConfirmationRequest,
    ContextProvider,
    EmbeddingProvider,
    HookExecutor,
    HookHandler,
    HttpClient,
    LlmClient,
    McpTransport,
    MemoryStore,
    PermissionChecker,
    Planner,
    SecurityProvider,
    SessionCommand,
    SessionCommandMaker,
    SessionStore,
    SkillScorer,
    SkillValidator,
    Tool,
    VectorStore,
    WorkspacePath,
)
from a3s_code.testing import (
    AcceptAllSkills,
    AllowAll,
    DictMemoryStore,
    DictSessionStore,
    EchoTool,
    FixedPlanner,
    FixedScores,
    HashEmbedding,
    InlineCommand,
    InlineCommands,
    ListHookExecutor,
    ListVectorStore,
    LoopTransport,
    PlainSecurityProvider,
    RecordingHook,
    RecordingHttp,
    RecordingSandbox,
    ScriptedClient,
    ScriptedConfirmation,
    StaticContextProvider,
)


@tool(read_only=True)
def word_count(path: WorkspacePath) -> int:
    """Count the words of a file."""
    return len(path.read_text().split())


def approve(request: ConfirmationRequest) -> bool:
    return request.tool_name == "bash"


def shout(args: str, context: CommandContext) -> str:
    return f"{context.model}: {args.upper()}"


def synchronous() -> str:
    agent = Agent("agent.hcl")
    options = SessionOptions(
        default_security=True,
        builtin_skills=True,
        planning=True,
        tools=[word_count],
        on_confirm=approve,
        permission_checker=PermissionPolicy().allow("read(*)").deny("bash(*)").ask("write(*)"),
    )
    options.model = "anthropic/claude-sonnet-4-20250514"
    options.role = "You are a Python expert"
    session = agent.session(".", options)
    session.register_command("shout", "Shout", shout)
    for event in session.stream("Refactor auth"):
        match event:
            case TextDelta(piece):
                print(piece, end="")
            case ToolEnd(result) if result.is_error:
                print(result.output)
            case _:
                pass
    picture = Attachment.from_file("screenshot.png")
    text: str = session.send_with_attachments("What is this?", [picture]).text
    files: list[str] = session.glob("**/*.py")
    skills = builtin_skills()
    print(files, skills, session.read_file("src/main.py"), session.bash("pytest"), session.grep("TODO"))
    session.save()
    agent.resume_session(session.session_id, options)
    return text


async def asynchronous() -> int:
    async with AsyncAgent("agent.hcl") as agent:
        session = agent.session(".")
        async with session.stream("Explain the auth module") as events:
            async for event in events:
                print(event.event_type)
        return (await session.send("Go on")).total_tokens


# Each Protocol is satisfied by its fake.
security_provider: SecurityProvider = PlainSecurityProvider()
permission_checker: PermissionChecker = AllowAll()
confirmation_provider: ConfirmationProvider = ScriptedConfirmation()
context_provider: ContextProvider = StaticContextProvider()
embedding_provider: EmbeddingProvider = HashEmbedding()
vector_store: VectorStore = ListVectorStore()
session_store: SessionStore = DictSessionStore()
memory_store: MemoryStore = DictMemoryStore()
echo: Tool = EchoTool()
decorated: Tool = word_count
planner: Planner = FixedPlanner()
hook_handler: HookHandler = RecordingHook()
hook_executor: HookExecutor = ListHookExecutor()
http_client: HttpClient = RecordingHttp()
bash_sandbox: BashSandbox = RecordingSandbox()
llm_client: LlmClient = ScriptedClient()
command_maker: SessionCommandMaker = InlineCommands()
skill_validator: SkillValidator = AcceptAllSkills()
skill_scorer: SkillScorer = FixedScores()


def transport(fake: LoopTransport, command: InlineCommand) -> tuple[McpTransport, SessionCommand]:
    return fake, command
