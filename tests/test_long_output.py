"""A command that says more than is shown: the model reads and searches the rest, also after a resume."""

from pathlib import Path

from a3s_code_testing.running import run

from a3s_code.agent import AsyncAgent
from a3s_code.plugin import ModelRequest, ToolCall
from a3s_code.testing import AllowAll, ScriptedClient, call, last_result

CONFIG = """
default_model   = "anthropic/claude-sonnet-4-20250514"
storage_backend = "file"
sessions_dir    = "{folder}"

providers {{
  name    = "anthropic"
  api_key = "sk-not-used"
}}
"""


def kept_in(request: ModelRequest) -> str:
    """The file that the newest result names."""
    _, _, rest = last_result(request).output.rpartition("it is kept in ")
    return rest.partition(": read it")[0]


def test_what_was_left_out_can_be_read_and_searched(workspace: Path, tmp_path: Path) -> None:
    named: list[str] = []

    def read(request: ModelRequest) -> ToolCall:
        named.append(kept_in(request))
        return call("read", file_path=named[0], offset=59_999, limit=1)

    async def main() -> tuple[ScriptedClient, ScriptedClient]:
        async with AsyncAgent(CONFIG.format(folder=tmp_path / "sessions")) as agent:
            first = ScriptedClient(
                call("bash", command="seq 100000"),
                read,
                lambda request: call("grep", pattern="^77777$", path=named[0]),
                "done",
            )
            session = agent.session(workspace, llm_client=first, permission_checker=AllowAll())
            await session.send("go")
            await session.aclose()
            second = ScriptedClient(lambda request: call("read", file_path=named[0], offset=99_999), "done")
            resumed = await agent.resume_session(session.session_id, llm_client=second)
            await resumed.send("and the last line?")
            return first, second

    first, second = run(main())
    shown = [last_result(request).output for request in (*first.requests[2:], *second.requests[1:])]
    assert shown == [
        " 60000\t60000\n\n[40000 more lines of 100000; continue with offset=60000]",
        f"{named[0]}:77777:77777\n\n1 match(es) in 1 file(s)",
        "100000\t100000",
    ]
