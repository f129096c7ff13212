"""Output that is too long to show: where tools keep it, who may read it, and when it goes."""

from pathlib import Path

import pytest
from a3s_code_storage.file_sessions import FileSessionStore
from a3s_code_testing.running import run

from a3s_code.agent import AsyncAgent
from a3s_code.errors import ToolError
from a3s_code.outputs import Outputs
from a3s_code.plugin import Effects, JsonObject, ModelRequest, ToolCall, ToolResult, ToolUse
from a3s_code.session import AsyncAgentSession
from a3s_code.testing import AllowAll, FakeTool, ScriptedClient, call, last_result

BACKENDS = ("memory", "file")


class Keeper(FakeTool):
    """A tool that keeps a long output.

    Attributes:
        path: The file.
    """

    def __init__(self) -> None:
        super().__init__("build", self._keep, effects=Effects.READ_ONLY)
        self.path = Path()

    def _keep(self, args: JsonObject, use: ToolUse) -> str:
        self.path = use.outputs() / "long.txt"
        self.path.write_text("first line\napi_key = 'sk-ant-api03-0123456789abcdefghijABCDEFGHIJ'\n")
        return "kept"


def configured(config: str, backend: str, folder: Path) -> str:
    return config.replace('"memory"', f'"{backend}"\nsessions_dir = "{folder}"')


async def kept_in(agent: AsyncAgent, workspace: Path, keeper: Keeper) -> AsyncAgentSession:
    """A session whose model has had the output kept."""
    session = agent.session(workspace, llm_client=ScriptedClient(call("build"), "done"), tools=[keeper])
    await session.send("go")
    return session


async def read_when_resumed(agent: AsyncAgent, session_id: str, path: Path) -> ToolResult:
    """What the model of a resumed session is told when it reads *path*."""
    llm = ScriptedClient(call("read", file_path=str(path)), "done")
    await (await agent.resume_session(session_id, llm_client=llm)).send("go on")
    return last_result(llm.requests[-1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_model_reads_it_without_a_question_but_writes_nothing_there(
    config: str, workspace: Path, tmp_path: Path, backend: str
) -> None:
    """Secrets in it are cleaned when it is read, as in any file."""
    keeper = Keeper()

    async def main() -> ScriptedClient:
        async with AsyncAgent(configured(config, backend, tmp_path / "kept")) as agent:
            llm = ScriptedClient(
                call("build"),
                lambda request: call("read", file_path=str(keeper.path)),
                lambda request: call("write", file_path=str(keeper.path), content="mine"),
                "done",
            )
            await agent.session(workspace, llm_client=llm, tools=[keeper]).send("go")
            return llm

    _, after_keeping, after_read, after_write = run(main()).requests
    assert last_result(after_keeping).output == "kept"
    assert "first line" in last_result(after_read).output
    assert "0123456789abcdefghij" not in last_result(after_read).output
    assert last_result(after_write).kind == "denied"
    assert "outside the workspace" in last_result(after_write).output


def test_it_stays_with_a_stored_session_and_goes_with_it(config: str, workspace: Path, tmp_path: Path) -> None:
    keeper = Keeper()

    async def main() -> None:
        async with AsyncAgent(configured(config, "file", tmp_path / "kept")) as agent:
            session = await kept_in(agent, workspace, keeper)
            await session.aclose()
            assert keeper.path.is_relative_to(tmp_path / "kept" / session.session_id)
            assert "first line" in (await read_when_resumed(agent, session.session_id, keeper.path)).output
        assert await FileSessionStore(tmp_path / "kept").delete(session.session_id)
        assert not keeper.path.exists()

    run(main())


def test_a_fork_has_its_own_copy_under_the_name_that_its_history_knows(
    config: str, workspace: Path, tmp_path: Path
) -> None:
    """Also a fork of the fork, after the original was deleted, and after all of them were moved."""
    keeper = Keeper()
    before, after = tmp_path / "kept", tmp_path / "moved"

    async def read_in(session_id: str, folder: Path) -> ToolResult:
        async with AsyncAgent(configured(config, "file", folder)) as agent:
            return await read_when_resumed(agent, session_id, keeper.path)

    async def main() -> None:
        async with AsyncAgent(configured(config, "file", before)) as agent:
            original = await kept_in(agent, workspace, keeper)
        store = FileSessionStore(before)
        await store.fork(original.session_id, "fork")
        await store.fork("fork", "fork-of-fork")
        await store.delete(original.session_id)
        for one in ("fork", "fork-of-fork"):
            assert "first line" in (await read_in(one, before)).output
        await store.delete("fork")
        before.rename(after)
        assert "first line" in (await read_in("fork-of-fork", after)).output

    run(main())


def test_a_session_that_was_moved_finds_it_under_its_old_name(config: str, workspace: Path, tmp_path: Path) -> None:
    keeper = Keeper()

    async def main() -> None:
        async with AsyncAgent(configured(config, "file", tmp_path / "kept")) as agent:
            session = await kept_in(agent, workspace, keeper)
        (tmp_path / "kept").rename(tmp_path / "moved")
        async with AsyncAgent(configured(config, "file", tmp_path / "moved")) as agent:
            assert "first line" in (await read_when_resumed(agent, session.session_id, keeper.path)).output

    run(main())


def test_a_fork_gets_no_links(config: str, workspace: Path, tmp_path: Path) -> None:
    """Which a command may have put there; nor does it follow one that comes later."""
    keeper = Keeper()
    (tmp_path / "secret").write_text("secret")

    async def main() -> ToolResult:
        async with AsyncAgent(configured(config, "file", tmp_path / "kept")) as agent:
            original = await kept_in(agent, workspace, keeper)
        outputs = keeper.path.parent
        (outputs / "link.txt").symlink_to(tmp_path / "secret")
        await FileSessionStore(tmp_path / "kept").fork(original.session_id, "fork")
        copies = tmp_path / "kept" / "fork" / "outputs" / original.session_id
        assert [path.name for path in copies.iterdir()] == ["long.txt"]
        (copies / "link.txt").symlink_to(tmp_path / "secret")
        (outputs / "link.txt").unlink()
        async with AsyncAgent(configured(config, "file", tmp_path / "kept")) as agent:
            return await read_when_resumed(agent, "fork", outputs / "link.txt")

    assert run(main()).kind == "denied"


def test_it_goes_with_a_session_that_is_stored_nowhere(config: str, workspace: Path) -> None:
    keeper = Keeper()

    async def main() -> None:
        async with AsyncAgent(config) as agent:
            session = await kept_in(agent, workspace, keeper)
            assert keeper.path.exists()
            await session.aclose()
            assert not keeper.path.parent.parent.exists()

    run(main())


def test_other_sessions_cannot_read_it_without_a_question(config: str, workspace: Path, tmp_path: Path) -> None:
    keeper = Keeper()

    async def main() -> None:
        async with AsyncAgent(configured(config, "file", tmp_path / "kept")) as agent:
            await kept_in(agent, workspace, keeper)
            llm = ScriptedClient(call("read", file_path=str(keeper.path)), "done")
            await agent.session(workspace, llm_client=llm).send("go")
            assert last_result(llm.requests[-1]).kind == "denied"

    run(main())


def test_nothing_is_made_before_something_is_kept(tmp_path: Path) -> None:
    for outputs in (Outputs(tmp_path), Outputs(None)):
        assert not outputs.path.exists()
        outputs.close()
    assert list(tmp_path.iterdir()) == []


def test_it_is_the_owners_alone(tmp_path: Path) -> None:
    assert Outputs(tmp_path).made().stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_told_to_the_model(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    with pytest.raises(ToolError, match=r"long output cannot be kept: .*outputs: File exists"):
        Outputs(tmp_path).made()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outputs").symlink_to("elsewhere")
    with pytest.raises(ToolError, match="leads elsewhere"):
        Outputs(tmp_path).made()


def test_links_that_a_command_puts_there_lead_nowhere(config: str, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    keeper = Keeper()

    def planted(_request: ModelRequest) -> ToolCall:
        (keeper.path.parent / "link").symlink_to(tmp_path / "secret")
        return call("read", file_path=str(keeper.path.parent / "link"))

    async def main() -> ScriptedClient:
        async with AsyncAgent(configured(config, "file", tmp_path / "kept")) as agent:
            llm = ScriptedClient(call("build"), planted, "done")
            await agent.session(workspace, llm_client=llm, tools=[keeper], permission_checker=AllowAll()).send("go")
            return llm

    assert last_result(run(main()).requests[-1]).kind == "denied"


def test_a_journal_in_the_workspace_is_not_written(config: str, workspace: Path) -> None:
    """The session goes on."""
    keeper = Keeper()

    async def main() -> ScriptedClient:
        async with AsyncAgent(configured(config, "file", workspace / "state")) as agent:
            llm = ScriptedClient(
                call("build"),
                lambda request: call("write", file_path=str(keeper.path.parent.parent / "journal"), content="mine"),
                "done",
            )
            await agent.session(workspace, llm_client=llm, tools=[keeper], permission_checker=AllowAll()).send("go")
            return llm

    assert last_result(run(main()).requests[-1]).kind == "denied"
