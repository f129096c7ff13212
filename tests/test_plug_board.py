"""The plug board: how plugins are found, chosen, opened and closed, and what happens to broken ones."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from a3s_code_testing.running import run

import a3s_code
from a3s_code.agent import AsyncAgent
from a3s_code.errors import ConfigError, PluginError
from a3s_code.events import PluginFailed
from a3s_code.extensions import Extensions
from a3s_code.hookspecs import POINTS, Arity, Scope, hookimpl
from a3s_code.options import SessionOptions
from a3s_code.plugin import HttpClient, Log, Tool, VectorStore, Workspace
from a3s_code.plugins import (
    OFFICIAL,
    Catalogue,
    Factory,
    Offer,
    Origin,
    Selection,
    dependencies,
    export,
    from_file,
    refuse_foreign_distribution,
    scan,
)
from a3s_code.testing import FakeTool, HashEmbedding, ListVectorStore, RecordingHttp, ScriptedClient

MINIMAL = 'default_model = "anthropic/m"\nstorage_backend = "memory"\nproviders {\n  name = "anthropic"\n}\n'


class NoSettings:
    """Gives factories nothing."""

    def for_factory(self, factory: Factory, provider: str | None) -> object:
        return None


def offer(group: str, name: str, factory: object, distribution: str | None = "a3s-code-tools") -> Offer:
    origin = Origin(distribution=distribution, version="1.0", target=f"module:{name}")
    return Offer(group, name, origin, lambda: factory)


def extensions(*offers: Offer, chosen: Mapping[str, str] | None = None, **more: object) -> Extensions:
    return Extensions(Selection(Catalogue(offers), chosen or {}), NoSettings(), **more)  # type: ignore[arg-type]


Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution: a folder on sys.path with metadata and modules, as pip leaves it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules: list[str] = []

    def make(
        name: str,
        entry_points: str,
        *,
        version: str = "1.0",
        requires: tuple[str, ...] = (),
        **sources: str,
    ) -> Path:
        # a folder of its own for each, so that two versions of one module cannot hide each other
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
        (folder / "entry_points.txt").write_text(dedent(entry_points))
        for module, source in sources.items():
            modules.append(module)
            (site / f"{module}.py").write_text(dedent(source))
        return site

    yield make
    for module in modules:
        sys.modules.pop(module, None)


VECTORS = """
    from a3s_code.plugin import VectorStore, hookimpl
    from a3s_code.testing import ListVectorStore

    class Mine(ListVectorStore):
        pass

    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        return Mine()
    """


async def vector_store_of(config: str, **options: object) -> str:
    """Name of the class that fills vector_store in an agent of this configuration."""
    async with AsyncAgent(config) as agent:
        session = agent.session(".", SessionOptions(**options))  # type: ignore[arg-type] # the test's own options
        return type(await session._plan.extensions.vector_store.get()).__name__


# Finding


def test_finding_and_starting_import_no_plugin(install: Install) -> None:
    site = install(
        "stranger",
        """
        [a3s_code.vector_store]
        loud = loud:a3s_code_vector_store
        [a3s_code.tool]
        loud = loud:a3s_code_tool
        [a3s_code.exports]
        Loud = loud:Loud
        [a3s_code.slash_command]
        loud = loud:command
        """,
        loud="raise AssertionError('imported')",
    )
    script = f"""
import sys
sys.path.insert(0, {str(site)!r})
from a3s_code.agent import AsyncAgent
from a3s_code.plugins import scan
assert any(offer.id == "vector_store:loud" for offer in scan().offers)
AsyncAgent({MINIMAL!r})
heavy = [name for name in ("loud", "anthropic", "openai", "httpx2", "a3s_code_anthropic", "a3s_code_tools")
         if name in sys.modules]
print(heavy)
"""
    said = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert said.stdout.strip() == "[]", said.stderr


def test_installing_alone_changes_nothing(install: Install, workspace: Path) -> None:
    async def tools() -> tuple[tuple[str, ...], str, list[str]]:
        async with AsyncAgent(MINIMAL) as agent:
            session = agent.session(workspace)
            commands = [command.name for command in session.command_registry().list()]
            return await session.tool_names(), await vector_store_of(MINIMAL), commands

    before = run(tools())
    install(
        "stranger",
        """
        [a3s_code.vector_store]
        in-memory-2 = stranger_one:a3s_code_vector_store
        [a3s_code.tool]
        evil = stranger_one:nothing
        [a3s_code.slash_command]
        evil = stranger_one:nothing
        """,
        stranger_one="raise AssertionError('imported')",
    )
    assert any(offer.name == "evil" for offer in scan().offers)
    assert run(tools()) == before


def test_an_offer_is_found_once_when_an_older_copy_lies_further_down_the_path(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "older"
    (older / "twice-0.1.dist-info").mkdir(parents=True)
    (older / "twice-0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: twice\nVersion: 0.1\n")
    (older / "twice-0.1.dist-info" / "entry_points.txt").write_text("[a3s_code.tool]\ntwice = twice_one:t\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(older)])
    install("twice", "[a3s_code.tool]\ntwice = twice_one:t\n")
    found = [offer for offer in scan().offers if offer.name == "twice"]
    assert [found_one.origin.version for found_one in found] == ["1.0"]


def test_a_distribution_installed_while_the_process_runs_is_found(install: Install) -> None:
    before = scan()
    install("late-one", "[a3s_code.tool]\nlate = late_one:t\n")
    assert not any(offer.name == "late" for offer in before.offers)
    assert any(offer.name == "late" for offer in scan().offers)


# Choosing


def test_code_wins_over_configuration_and_configuration_over_the_default(install: Install) -> None:
    install("mine-one", "[a3s_code.vector_store]\nmine = mine_one:a3s_code_vector_store\n", mine_one=VECTORS)
    chosen = MINIMAL + 'plugins {\n  vector_store = "mine"\n}\n'

    assert run(vector_store_of(MINIMAL)) == "InMemoryVectorStore"
    assert run(vector_store_of(chosen)) == "Mine"
    assert run(vector_store_of(chosen, vector_store=ListVectorStore())) == "ListVectorStore"


def test_two_distributions_of_one_selected_name_are_an_error_that_names_both(install: Install) -> None:
    install("first-one", "[a3s_code.vector_store]\nmine = clash_one:a3s_code_vector_store\n", clash_one=VECTORS)
    install("second-one", "[a3s_code.vector_store]\nmine = clash_one:a3s_code_vector_store\n", version="2.0")
    assert run(vector_store_of(MINIMAL)) == "InMemoryVectorStore"  # not selected: no clash
    with pytest.raises(PluginError, match=r"first-one 1\.0 and second-one 2\.0"):
        AsyncAgent(MINIMAL + 'plugins {\n  vector_store = "mine"\n}\n')


def test_a_clash_with_a_default_is_an_error_at_its_first_need(install: Install) -> None:
    install("usurper", "[a3s_code.vector_store]\nin-memory = usurper_one:a3s_code_vector_store\n", usurper_one=VECTORS)
    with pytest.raises(PluginError, match=r"a3s-code-context 0\.1\.0 and usurper 1\.0"):
        run(vector_store_of(MINIMAL))


COUNTING_TOOL = '''
    from a3s_code.plugin import tool

    @tool(read_only=True)
    def count_words(text: str) -> int:
        """Counts words."""
        return len(text.split())
    '''


def test_a_tool_object_is_an_entry_point_and_joins_when_use_names_it(install: Install, workspace: Path) -> None:
    install("counter", "[a3s_code.tool]\ncounter = counter_one:count_words\n", counter_one=COUNTING_TOOL)

    async def main(config: str) -> tuple[str, ...]:
        async with AsyncAgent(config) as agent:
            session = agent.session(workspace)
            if "count_words" in await session.tool_names():
                assert (await session.tool("count_words", {"text": "one two"})).output == "2"
            return await session.tool_names()

    plain = run(main(MINIMAL))
    assert {"read", "grep", "bash"} <= set(plain)
    assert set(run(main(MINIMAL + 'plugins {\n  use = ["counter"]\n}\n'))) == {*plain, "count_words"}


def test_a_disabled_member_is_left_out(workspace: Path) -> None:
    async def main() -> tuple[str, ...]:
        async with AsyncAgent(MINIMAL + 'plugins {\n  disabled = ["tool:bash"]\n}\n') as agent:
            return await agent.session(workspace).tool_names()

    names = run(main())
    assert "bash" not in names
    assert "read" in names


def test_a_disabled_one_point_is_an_error_when_it_is_needed() -> None:
    with pytest.raises(PluginError, match="vector_store:in-memory is needed but disabled"):
        run(vector_store_of(MINIMAL + 'plugins {\n  disabled = ["vector_store:in-memory"]\n}\n'))


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ('use = ["nobody"]', 'plugins.use names "nobody"'),
        ('disabled = ["bash"]', 'full ids such as "llm_client:openai"'),
        ('vector_store = "in-memry"', 'did you mean "in-memory"'),
        ('vector_stor = "in-memory"', "vector_store"),
    ],
)
def test_a_name_that_nobody_offers_fails_the_start(block: str, text: str) -> None:
    with pytest.raises((PluginError, ConfigError), match=text):
        AsyncAgent(MINIMAL + f"plugins {{\n  {block}\n}}\n")


def test_a_default_that_is_not_installed_says_what_to_install() -> None:
    async def main() -> None:
        await extensions().vector_store.get()

    with pytest.raises(PluginError, match="pip install a3s-code-context") as raised:
        run(main())
    assert raised.value.is_missing


def test_two_tools_of_one_name_are_an_error_naming_both_homes(workspace: Path) -> None:
    async def main() -> None:
        async with AsyncAgent(MINIMAL) as agent:
            await agent.session(workspace, tools=[FakeTool("bash")]).tool_names()

    with pytest.raises(PluginError, match='two tools are called "bash": one of a3s_code_tools and one of a3s_code'):
        run(main())


SLASH = """
    class Ping:
        name = "ping"
        description = "Says pong."

        def execute(self, args, context):
            return "pong " + args

    command = Ping()
    """


def test_a_strangers_slash_command_is_active_only_when_use_names_it(install: Install, workspace: Path) -> None:
    install("ping-one", "[a3s_code.slash_command]\nping = ping_one:command\n", ping_one=SLASH)

    async def main(config: str) -> str:
        async with AsyncAgent(config) as agent:
            return (await agent.session(workspace).send("/ping now")).text

    assert run(main(MINIMAL)).startswith("Unknown command: /ping")
    assert run(main(MINIMAL + 'plugins {\n  use = ["ping"]\n}\n')) == "pong now"


def test_exports_come_from_official_distributions_only(install: Install) -> None:
    install("thief", "[a3s_code.exports]\nStolenName = thief_one:StolenName\n", thief_one="StolenName = 1")
    with pytest.raises(AttributeError):
        export("StolenName")
    with pytest.raises(AttributeError):
        getattr(a3s_code, "StolenName")  # noqa: B009 # mypy knows that it is not there


def test_a_name_of_a_distribution_that_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_code.plugins.scan", lambda: Catalogue(()))
    monkeypatch.delitem(vars(a3s_code), "PermissionPolicy", raising=False)
    with pytest.raises(ImportError, match="pip install a3s-code-guard"):
        a3s_code.PermissionPolicy  # noqa: B018 # looked up for its error


def test_another_projects_distribution_a3s_code_is_refused(install: Install) -> None:
    install("a3s-code", "[console_scripts]\na3s = a3s_other:main\n", version="9.9")
    with pytest.raises(PluginError, match=r"another project's distribution a3s-code 9\.9.*pip uninstall"):
        refuse_foreign_distribution()
    with pytest.raises(PluginError, match="another project's"):
        AsyncAgent(MINIMAL)


def test_our_own_distribution_a_3s_code_is_not_refused(install: Install) -> None:
    install("a3s-code", "[console_scripts]\na3s = a3s_other:main\n", requires=("a3s-code-core (>=0.1)",))
    refuse_foreign_distribution()


# Opening


def test_ten_at_once_open_a_slot_once() -> None:
    opened = []

    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        opened.append(threading.get_ident())
        return ListVectorStore()

    async def main() -> None:
        board = extensions(offer("vector_store", "in-memory", a3s_code_vector_store))
        assert opened == []  # lazy
        stores = await asyncio.gather(*(board.vector_store.get() for _ in range(10)))
        assert len(set(map(id, stores))) == 1
        assert len(opened) == 1
        assert opened[0] != threading.get_ident()  # a slow import stops nobody

    run(main())


def test_a_failed_open_is_tried_again_at_the_next_need() -> None:
    tries = []

    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("the daemon is down")
        return ListVectorStore()

    async def main() -> None:
        board = extensions(offer("vector_store", "in-memory", a3s_code_vector_store))
        with pytest.raises(PluginError, match="the daemon is down"):
            await board.vector_store.get()
        assert isinstance(await board.vector_store.get(), ListVectorStore)
        await board.vector_store.get()
        assert len(tries) == 2

    run(main())


def test_a_cancelled_caller_does_not_spoil_the_slot_for_others() -> None:
    go = threading.Event()

    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        go.wait(10)
        return ListVectorStore()

    async def main() -> None:
        board = extensions(offer("vector_store", "in-memory", a3s_code_vector_store))
        first, second = (asyncio.ensure_future(board.vector_store.get()) for _ in range(2))  # noqa: TID251 # awaited here
        await asyncio.sleep(0)
        first.cancel()
        go.set()
        assert isinstance(await second, ListVectorStore)
        assert first.cancelled()

    run(main())


def test_the_same_factory_can_be_opened_by_two_boards() -> None:
    """pluggy refuses a name twice, so each open has its own manager."""

    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        return ListVectorStore()

    async def main() -> None:
        found = offer("vector_store", "in-memory", a3s_code_vector_store)
        assert await extensions(found).vector_store.get() is not await extensions(found).vector_store.get()

    run(main())


@hookimpl
async def asynchronous() -> VectorStore:
    return ListVectorStore()


@hookimpl
def generating() -> Generator[VectorStore, None, None]:
    yield ListVectorStore()


@hookimpl
async def generating_asynchronously() -> object:
    yield ListVectorStore()


@hookimpl(wrapper=True)
def wrapping() -> Generator[None, object, object]:
    return (yield)


@hookimpl(specname="a3s_code_tool")
def foreign() -> VectorStore:
    return ListVectorStore()


@hookimpl
def starred(*args: object) -> VectorStore:
    return ListVectorStore()


@hookimpl
def double_starred(**more: object) -> VectorStore:
    return ListVectorStore()


@hookimpl
def curious(config: object, planner: object) -> VectorStore:
    return ListVectorStore()


@hookimpl
def defaulted(config: object = None) -> VectorStore:
    return ListVectorStore()


@hookimpl
def forgetful() -> None:
    return None


@hookimpl
def later() -> object:
    async def soon() -> VectorStore:
        return ListVectorStore()

    return soon()


@hookimpl
def mistaken() -> object:
    return {"not": "a store"}


@hookimpl
def exiting() -> VectorStore:
    raise SystemExit(3)


def unmarked() -> VectorStore:
    return ListVectorStore()


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        pytest.param(unmarked, "must be marked with @hookimpl", id="unmarked"),
        pytest.param(asynchronous, "must be a synchronous function", id="async"),
        pytest.param(generating, "must be a synchronous function", id="generator"),
        pytest.param(generating_asynchronously, "must be a synchronous function", id="async-generator"),
        pytest.param(wrapping, "must (be a synchronous function|not be a hook wrapper)", id="wrapper"),
        pytest.param(foreign, "is marked for a3s_code_tool, not for a3s_code_vector_store", id="foreign"),
        pytest.param(
            starred, r"parameter \*args.* is not one that vector_store gives; there are: config, log", id="star"
        ),
        pytest.param(double_starred, r"parameter \*\*more.* is not one", id="double-star"),
        pytest.param(curious, "parameter planner.* is not one that vector_store gives", id="unknown-parameter"),
        pytest.param(defaulted, "parameter config must not have a default", id="default"),
        pytest.param(forgetful, "returned None instead of a VectorStore", id="none"),
        pytest.param(later, "gave an awaitable", id="awaitable"),
        pytest.param(mistaken, r"gave a dict, which is no VectorStore: it lacks .*search", id="wrong-type"),
        pytest.param(exiting, "failed to open: SystemExit: 3", id="exits"),
        pytest.param(ListVectorStore, "must be a plain function, not _ProtocolMeta", id="class"),
    ],
)
def test_a_bad_factory_is_an_error_that_says_what_is_wrong(factory: object, text: str) -> None:
    async def main() -> None:
        await extensions(offer("vector_store", "in-memory", factory)).vector_store.get()

    with pytest.raises(PluginError, match=text) as raised:
        run(main())
    assert "vector_store:in-memory of a3s-code-tools 1.0" in str(raised.value)


def test_only_named_dependencies_are_opened() -> None:
    opened: list[str] = []

    @hookimpl
    def a3s_code_http_client() -> HttpClient:
        opened.append("http_client")
        return RecordingHttp()

    @hookimpl
    def modest(log: Log) -> Tool:
        return FakeTool("modest")

    @hookimpl
    def networked(http_client: HttpClient) -> Tool:
        assert isinstance(http_client, RecordingHttp)
        return FakeTool("networked")

    http = offer("http_client", "default", a3s_code_http_client)

    async def main() -> None:
        await extensions(http, offer("tool", "modest", hookimpl(specname="a3s_code_tool")(modest))).tool.get()
        assert opened == []
        await extensions(http, offer("tool", "networked", hookimpl(specname="a3s_code_tool")(networked))).tool.get()
        assert opened == ["http_client"]

    run(main())


def test_given_facts_reach_the_factory(workspace: Path) -> None:
    from a3s_code.workspace import FolderWorkspace

    @hookimpl
    def a3s_code_tool(workspace: Workspace) -> Tool:
        return FakeTool(workspace.root.name)

    async def main() -> None:
        board = extensions(offer("tool", "one", a3s_code_tool), given={"workspace": FolderWorkspace(workspace)})
        assert [one.spec.name for one in await board.tool.get()] == ["ws"]

    run(main())


def test_a_dependency_that_fails_is_reported_as_itself() -> None:
    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        raise OSError("no space")

    @hookimpl
    def a3s_code_context_provider(vector_store: VectorStore) -> object:
        raise AssertionError("never called")

    async def main() -> None:
        board = Extensions(
            Selection(
                Catalogue(
                    (
                        offer("vector_store", "in-memory", a3s_code_vector_store, "a3s-code-context"),
                        offer("context_provider", "mine", a3s_code_context_provider),
                    )
                ),
                used=("mine",),
            ),
            NoSettings(),
        )
        assert await board.context_provider.get() == ()
        (failure,) = board.failures
        assert failure.plugin == "context_provider:mine"
        assert "vector_store:in-memory of a3s-code-context 1.0 failed to open: OSError: no space" in failure.error

    run(main())


def test_a_by_name_point_that_nobody_selected_arrives_as_none() -> None:
    arrived: list[object] = []

    @hookimpl
    def a3s_code_context_provider(embedding_provider: object) -> object:
        arrived.append(embedding_provider)
        raise OSError("enough seen")

    @hookimpl
    def a3s_code_embedding_provider() -> object:
        return HashEmbedding()

    async def main(chosen: dict[str, str]) -> None:
        catalogue = Catalogue(
            (
                offer("context_provider", "mine", a3s_code_context_provider),
                offer("embedding_provider", "hash", a3s_code_embedding_provider),
            )
        )
        await Extensions(Selection(catalogue, chosen, used=("mine",)), NoSettings()).context_provider.get()

    run(main({}))
    run(main({"embedding_provider": "hash"}))
    assert arrived[0] is None
    assert isinstance(arrived[1], HashEmbedding)


def test_the_dependencies_of_the_points_have_no_cycle() -> None:
    from graphlib import TopologicalSorter

    graph = {name: dependencies(point) for name, point in POINTS.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(POINTS)


def test_nothing_of_agent_scope_needs_a_session_or_a_governed_model() -> None:
    for point in POINTS.values():
        for needed in dependencies(point):
            if point.scope is Scope.AGENT:
                assert POINTS[needed].scope is Scope.AGENT, (point.name, needed)
                assert needed not in ("llm_client", "embedding_provider"), (point.name, needed)


def test_there_are_nineteen_points() -> None:
    assert len(POINTS) == 19
    assert {point.arity for point in POINTS.values()} == set(Arity)


# Settings


CONFIGURED = """
    from attrs import frozen
    from a3s_code.plugin import Secret, VectorStore, hookimpl, setting
    from a3s_code.testing import ListVectorStore

    @frozen(kw_only=True)
    class Settings:
        size: int = setting(3, "Size.")
        folder: str | None = setting(None, "Folder.", path=True)
        token: Secret | None = setting(None, "Token.")

    class Sized(ListVectorStore):
        pass

    @hookimpl
    def a3s_code_vector_store(config: Settings) -> VectorStore:
        store = Sized()
        store.settings = config
        return store
    """


@pytest.fixture
def sized(install: Install) -> str:
    """A vector store with settings is installed; gives a configuration that selects it, of 8 lines."""
    install("sized-one", "[a3s_code.vector_store]\nsized = sized_one:a3s_code_vector_store\n", sized_one=CONFIGURED)
    return MINIMAL + 'plugins {\n  vector_store = "sized"\n}\n'


async def settings_of(config: str | Path) -> object:
    async with AsyncAgent(config) as agent:
        return (await agent._extensions.vector_store.get()).settings  # type: ignore[attr-defined] # the test's plugin


def test_a_block_becomes_the_settings_class_of_the_factory(sized: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.hcl"
    path.write_text(sized + 'plugin "vector_store" "sized" {\n  size = 7\n  folder = "here"\n  token = "t"\n}\n')
    settings = run(settings_of(path))
    assert (settings.size, settings.folder) == (7, str(tmp_path / "here"))  # type: ignore[attr-defined]
    assert "'t'" not in repr(settings)


def test_without_a_block_the_settings_are_the_defaults(sized: str) -> None:
    assert run(settings_of(sized)).size == 3  # type: ignore[attr-defined]


def test_one_label_is_enough_while_it_is_unique(sized: str) -> None:
    assert run(settings_of(sized + 'plugin "sized" {\n  size = 9\n}\n')).size == 9  # type: ignore[attr-defined]


def test_an_attribute_that_is_null_counts_as_absent(sized: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIZE_OF_STORE", raising=False)
    config = sized + 'plugin "sized" {\n  size = env("SIZE_OF_STORE")\n}\n'
    assert run(settings_of(config)).size == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "line", "text"),
    [
        pytest.param("size = 7\n  sise = 8", 11, r'unknown .*"?sise"?.*size', id="unknown-key"),
        pytest.param('size = "seven"', 10, "size", id="wrong-type"),
    ],
)
def test_a_wrong_block_fails_the_start_with_its_line(sized: str, body: str, line: int, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as raised:
        AsyncAgent(sized + f'plugin "sized" {{\n  {body}\n}}\n')
    assert raised.value.line == line


def test_a_block_of_a_plugin_that_is_not_used_says_how_to_select_it(sized: str) -> None:
    config = MINIMAL + 'plugin "vector_store" "sized" {\n}\n'
    with pytest.raises(ConfigError, match=r'is not used; plugins \{ vector_store = "sized" \} uses it') as raised:
        AsyncAgent(config)
    assert raised.value.line == 6


def test_a_block_of_a_plugin_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(ConfigError, match='no installed plugin offers "nobody"'):
        AsyncAgent(MINIMAL + 'plugin "nobody" {\n}\n')


def test_a_block_that_two_used_plugins_could_mean_asks_for_both_labels(sized: str, install: Install) -> None:
    install("sized-two", "[a3s_code.tool]\nsized = sized_two:count_words\n", sized_two=COUNTING_TOOL)
    both = sized.replace("plugins {", 'plugins {\n  use = ["tool:sized"]')
    with pytest.raises(ConfigError, match=r'"sized" is the name of tool and vector_store: write plugin "'):
        AsyncAgent(both + 'plugin "sized" {\n  size = 1\n}\n')
    assert run(settings_of(both + 'plugin "vector_store" "sized" {\n  size = 1\n}\n')).size == 1  # type: ignore[attr-defined]


def test_a_second_block_of_one_plugin_is_an_error(sized: str) -> None:
    with pytest.raises(ConfigError, match="has a block already"):
        AsyncAgent(sized + 'plugin "sized" {\n}\nplugin "vector_store" "sized" {\n}\n')


def test_a_block_of_a_plugin_that_takes_no_settings_is_an_error() -> None:
    with pytest.raises(ConfigError, match="tool:read takes no settings"):
        AsyncAgent(MINIMAL + 'plugin "tool" "read" {\n  x = 1\n}\n')


def test_a_client_that_a_provider_names_is_used_and_can_have_a_block(install: Install, workspace: Path) -> None:
    install(
        "own-client",
        "[a3s_code.llm_client]\nown = own_client_one:a3s_code_llm_client\n",
        own_client_one="""
        from a3s_code.plugin import LlmClient, ProviderConfig, hookimpl
        from a3s_code.testing import ScriptedClient

        @hookimpl
        def a3s_code_llm_client(config: ProviderConfig) -> LlmClient:
            return ScriptedClient(f"I am {config.name}")
        """,
    )
    config = (
        'default_model = "house/m"\nstorage_backend = "memory"\nproviders {\n  name = "house"\n  client = "own"\n}\n'
    )

    async def main() -> str:
        async with AsyncAgent(config) as agent:
            return (await agent.session(workspace).send("who?")).text

    assert run(main()) == "I am house"


# Strangers that fail


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("raise SystemExit(1)", "SystemExit: 1", id="exit"),
        pytest.param("assert False, 'no'", "AssertionError: no", id="assert"),
        pytest.param("def (", "SyntaxError", id="syntax"),
        pytest.param("import not_there_at_all", "not_there_at_all", id="import"),
        pytest.param("raise RuntimeError('odd')", "RuntimeError: odd", id="error"),
        pytest.param("x = 1", "a3s_code_vector_store", id="no-such-name"),
    ],
)
def test_a_plugin_that_breaks_at_import_fails_the_start_with_its_name_and_a_cure(
    install: Install, source: str, text: str
) -> None:
    install("breaking", "[a3s_code.vector_store]\nbreaking = breaking_one:a3s_code_vector_store\n", breaking_one=source)
    with pytest.raises(PluginError) as raised:
        AsyncAgent(MINIMAL + 'plugins {\n  vector_store = "breaking"\n}\n')
    said = str(raised.value)
    assert text in said
    assert "vector_store:breaking of breaking 1.0" in said
    assert "reinstall or upgrade breaking" in said


def test_what_a_plugin_prints_at_import_does_not_stop_the_host(
    install: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    install(
        "chatty",
        "[a3s_code.vector_store]\nchatty = chatty_one:a3s_code_vector_store\n",
        chatty_one=dedent(VECTORS) + "\nimport sys\nprint('hello', file=sys.stderr)\nprint('hello')\n",
    )
    assert run(vector_store_of(MINIMAL + 'plugins {\n  vector_store = "chatty"\n}\n')) == "Mine"


FAILING_TOOLS = """
    from a3s_code.plugin import Tool, hookimpl

    @hookimpl
    def a3s_code_tool() -> Tool:
        raise OSError("no device")
    """


def test_a_member_that_fails_is_left_out_with_one_event_and_a_line_in_status(install: Install, workspace: Path) -> None:
    install("failing", "[a3s_code.tool]\nfailing = failing_one:a3s_code_tool\n", failing_one=FAILING_TOOLS)

    async def main() -> None:
        async with AsyncAgent(MINIMAL + 'plugins {\n  use = ["failing"]\n}\n') as agent:
            session = agent.session(workspace, llm_client=ScriptedClient("one", "two"))
            told = []
            for prompt in ("first", "second"):
                async with session.stream(prompt) as events:
                    told.append([event async for event in events if isinstance(event, PluginFailed)])
            assert [event.plugin for event in told[0]] == ["tool:failing"]
            assert "OSError: no device" in told[0][0].error
            assert told[1] == []
            assert "read" in await session.tool_names()
            assert "Left out: tool:failing" in (await session.send("/status")).text

    run(main())


def test_a_member_that_fails_in_the_middle_of_the_first_run_is_told_too(install: Install, workspace: Path) -> None:
    """Providers of context are opened when the first prompt needs them, after the run has begun."""
    install(
        "failing-context",
        "[a3s_code.context_provider]\nfailing = failing_context_one:a3s_code_context_provider\n",
        failing_context_one=dedent(FAILING_TOOLS).replace("tool()", "context_provider()"),
    )

    async def main() -> None:
        async with AsyncAgent(MINIMAL + 'plugins {\n  use = ["failing"]\n}\n') as agent:
            session = agent.session(workspace, llm_client=ScriptedClient("one", "two"))
            told = []
            for prompt in ("first", "second"):
                async with session.stream(prompt) as events:
                    told += [event.plugin async for event in events if isinstance(event, PluginFailed)]
            assert told == ["context_provider:failing"]

    run(main())


# Closing


class Closing(ListVectorStore):
    def __init__(self, name: str, closed: list[str], error: Exception | None = None, hangs: bool = False):
        super().__init__()
        self.name, self.closed, self.error, self.hangs = name, closed, error, hangs

    async def aclose(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.closed.append(self.name)
        if self.error is not None:
            raise self.error


class ClosingTool(FakeTool):
    def __init__(self, name: str, closed: list[str]):
        super().__init__(name)
        self.closed = closed

    def close(self) -> None:
        self.closed.append(self.spec.name)


def test_everything_is_closed_last_opened_first_and_all_errors_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_code.extensions.CLOSE_DEADLINE_S", 0.05)
    closed: list[str] = []
    made = iter([Closing("first", closed, OSError("one")), Closing("hangs", closed, hangs=True)])

    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        return next(made)

    @hookimpl
    def a3s_code_memory_store() -> object:
        from a3s_code.testing import DictMemoryStore

        class ClosingMemory(DictMemoryStore):
            async def aclose(self) -> None:
                closed.append("memory")
                raise ValueError("two")

        return ClosingMemory()

    @hookimpl
    def a3s_code_tool() -> Tool:
        return ClosingTool("tool", closed)

    async def main() -> None:
        offers = (
            offer("vector_store", "in-memory", a3s_code_vector_store),
            offer("memory_store", "in-memory", a3s_code_memory_store),
            offer("tool", "tool", a3s_code_tool),
        )
        board = extensions(*offers)
        await board.vector_store.get()
        await board.tool.get()
        await board.memory_store.get()
        errors = await board.aclose()
        assert closed == ["memory", "tool", "first"]
        assert [error.split(" failed")[0] for error in errors] == ["memory_store:in-memory", "vector_store:in-memory"]
        hanging = extensions(*offers)
        await hanging.vector_store.get()
        assert ["TimeoutError" in error for error in await hanging.aclose()] == [True]

    run(main())


def test_a_plain_close_that_hangs_is_abandoned_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_code.extensions.CLOSE_DEADLINE_S", 0.05)
    release = threading.Event()

    class Stuck(FakeTool):
        def close(self) -> None:
            release.wait(30)

    @hookimpl
    def a3s_code_tool() -> Tool:
        return Stuck("stuck")

    async def main() -> None:
        board = extensions(offer("tool", "stuck", a3s_code_tool))
        await board.tool.get()
        (error,) = await board.aclose()
        assert "tool:stuck failed to close: TimeoutError" in error

    try:
        run(main())
    finally:
        release.set()


def test_after_closing_nothing_is_opened_any_more() -> None:
    @hookimpl
    def a3s_code_vector_store() -> VectorStore:
        raise AssertionError("never called")

    async def main() -> None:
        board = extensions(offer("vector_store", "in-memory", a3s_code_vector_store))
        await board.aclose()
        with pytest.raises(PluginError, match="after the agent was closed"):
            await board.vector_store.get()

    run(main())


def test_what_code_passed_in_is_not_closed(workspace: Path) -> None:
    closed: list[str] = []
    store = Closing("mine", closed)
    tool_in_code = ClosingTool("mine", closed)

    async def main() -> None:
        async with AsyncAgent(MINIMAL) as agent:
            session = agent.session(workspace, vector_store=store, tools=[tool_in_code])
            await session._plan.extensions.vector_store.get()
            await session.tool_names()

    run(main())
    assert closed == []


def test_sessions_are_closed_before_the_agent(install: Install, workspace: Path) -> None:
    closed: list[str] = []

    @hookimpl
    def a3s_code_tool(http_client: HttpClient) -> Tool:
        return ClosingTool("session's", closed)

    @hookimpl
    def a3s_code_http_client() -> HttpClient:
        class Http(RecordingHttp):
            async def aclose(self) -> None:
                closed.append("agent's")

        return Http()

    async def main() -> None:
        catalogue = Catalogue(
            (
                *(one for one in scan().offers if one.group not in ("http_client", "tool")),
                offer("tool", "closing", a3s_code_tool),
                offer("http_client", "default", a3s_code_http_client),
            )
        )
        async with AsyncAgent(MINIMAL, catalogue=catalogue) as agent:
            await agent.session(workspace).tool_names()
            assert closed == []

    run(main())
    assert closed == ["session's", "agent's"]


def test_an_object_that_does_not_fit_its_point_is_refused_at_once(workspace: Path) -> None:
    agent = AsyncAgent(MINIMAL)
    with pytest.raises(
        PluginError, match="the permission_checker passed in code gave a str, which is no PermissionChecker"
    ):
        agent.session(workspace, permission_checker="yes")
    with pytest.raises(PluginError, match="the tool passed in code gave a function, which is no Tool"):
        agent.session(workspace, tools=[lambda: None])


# One-file plugins


def test_a_one_file_plugin_passed_in_code_fills_points_for_its_session_only(tmp_path: Path, workspace: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(dedent(VECTORS) + dedent(COUNTING_TOOL) + dedent(SLASH) + "\nslash_commands = [command]\n")

    async def main() -> None:
        async with AsyncAgent(MINIMAL) as agent:
            session = agent.session(workspace, plugins=[path])
            assert "count_words" in await session.tool_names()
            assert (await session.tool("count_words", {"text": "a b c"})).output == "3"
            assert (await session.send("/ping x")).text == "pong x"
            assert type(await session._plan.extensions.vector_store.get()).__name__ == "Mine"
            other = agent.session(workspace)
            assert "count_words" not in await other.tool_names()
            assert type(await other._plan.extensions.vector_store.get()).__name__ == "InMemoryVectorStore"

    run(main())


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("raise SystemExit(1)", "fails when it is loaded: SystemExit", id="exit"),
        pytest.param("def (", "fails when it is loaded: SyntaxError", id="syntax"),
        pytest.param("x = 1", "offers nothing", id="nothing"),
        pytest.param(None, "must be a readable .py file", id="missing"),
    ],
)
def test_a_broken_one_file_plugin_is_a_typed_error(tmp_path: Path, source: str | None, text: str) -> None:
    path = tmp_path / "broken.py"
    if source is not None:
        path.write_text(source)
    with pytest.raises(PluginError, match=text):
        from_file(path)


def test_two_one_file_plugins_for_one_point_are_an_error(tmp_path: Path, workspace: Path) -> None:
    paths = [tmp_path / "one.py", tmp_path / "two.py"]
    for path in paths:
        path.write_text(dedent(VECTORS))
    with pytest.raises(PluginError, match=r"one\.py and .*two\.py both fill vector_store"):
        run(vector_store_of(MINIMAL, plugins=paths))


# Contrib keeps to its own rules


def test_every_official_offer_loads_and_can_be_called() -> None:
    for one in scan().offers:
        if one.group in POINTS and one.origin.distribution in OFFICIAL:
            Factory.of(POINTS[one.group], one).parameters()
