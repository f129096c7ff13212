"""FileSystemContextProvider: what it finds, what it never reads, and when it stops."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from a3s_code_context import filesystem
from a3s_code_context.filesystem import FileSystemContextProvider
from a3s_code_context.workspace_files import MAX_FILE_BYTES, FileFilter, read_text, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import ContextDepth, ContextProvider, ContextQuery, ContextResult


def fill(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def ask(
    provider: FileSystemContextProvider,
    prompt: str,
    *,
    max_results: int = 5,
    max_tokens: int = 4000,
    depth: ContextDepth = ContextDepth.OVERVIEW,
) -> ContextResult:
    query = ContextQuery(query=prompt, max_results=max_results, max_tokens=max_tokens, depth=depth)
    return asyncio.run(provider.query(query))


def paths(result: ContextResult) -> list[str]:
    return [(found.source or "").rpartition(":")[0] for found in result.items]


def test_it_is_a_context_provider(tmp_path: Path) -> None:
    provider = FileSystemContextProvider(tmp_path)
    assert isinstance(provider, ContextProvider)
    assert provider.name == "filesystem"
    asyncio.run(provider.on_turn_complete("s", "p", "r"))


def test_the_match_is_shown_with_its_place(tmp_path: Path) -> None:
    fill(tmp_path, {"src/a.py": "\n" * 40 + "def retry_policy():\n    pass\n", "b.md": "nothing"})
    (found,) = ask(FileSystemContextProvider(tmp_path), "explain the retry_policy").items
    assert found.source == found.id == "src/a.py:36-43"
    assert "def retry_policy" in found.content
    assert found.token_count == -(-len(found.content) // 4)
    assert 0 < found.relevance <= 1


def test_rare_terms_and_file_names_count_more(tmp_path: Path) -> None:
    files = {f"f{number}.txt": "config here" for number in range(9)}
    fill(tmp_path, files | {"rare.txt": "zebras here", "zebra/stripes.txt": "zebras here"})
    result = ask(FileSystemContextProvider(tmp_path), "zebra config")
    assert paths(result)[:2] == ["zebra/stripes.txt", "rare.txt"]
    assert [found.relevance for found in result.items] == sorted((i.relevance for i in result.items), reverse=True)


def test_at_most_max_results_and_max_tokens(tmp_path: Path) -> None:
    fill(tmp_path, {f"f{number}.txt": "needle in a long line of hay\n" * 400 for number in range(9)})
    provider = FileSystemContextProvider(tmp_path)
    assert len(ask(provider, "needle").items) == 5
    result = ask(provider, "needle", max_tokens=301)
    assert len(result.items) == 5
    assert result.total_tokens <= 301
    assert ask(provider, "needle", max_results=0).items == ()


@pytest.mark.parametrize(("depth", "tokens"), [(ContextDepth.ABSTRACT, 100), (ContextDepth.FULL, 1000)])
def test_depth_says_how_much_of_a_file(tmp_path: Path, depth: ContextDepth, tokens: int) -> None:
    fill(tmp_path, {"a.txt": "needle in a long line of hay\n" * 400, "b.txt": "needle in hay\n" * 400})
    result = ask(FileSystemContextProvider(tmp_path), "needle", depth=depth, max_tokens=1000)
    assert max(found.token_count for found in result.items) == pytest.approx(tokens, rel=0.1)
    assert result.total_tokens <= 1000


def test_what_must_not_be_read_is_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    unread = [".git/x", "node_modules/x.js", "a/target/x", "__pycache__/x", ".venv/x"]
    unread += [".env", "a/.env.local", "k.pem", ".ssh/config", "id_rsa"]
    fill(outside, {"secret.txt": "needle"})
    fill(root, dict.fromkeys(unread, "needle") | {"seen.txt": "needle", ".env.example": "needle"})
    (root / "link.txt").symlink_to(outside / "secret.txt")
    (root / "folder").symlink_to(outside)
    os.link(root / "seen.txt", root / "hard.txt")
    os.mkfifo(root / "pipe")
    (root / "binary").write_bytes(b"needle\0")
    (root / "latin").write_bytes("needle é".encode("latin-1"))
    (root / "big").write_bytes(b"needle" + b" " * MAX_FILE_BYTES)
    (root / os.fsdecode(b"name\xff")).write_text("needle")
    result = ask(FileSystemContextProvider(root), "needle", max_results=50)
    assert sorted(paths(result)) == [".env.example", "hard.txt", "seen.txt"]


def test_gitignore_files_count_where_they_stand(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {
            ".gitignore": "*.log\n/build/\n",
            "a.log": "needle",
            "build/x.txt": "needle",
            "sub/build/x.txt": "needle",
            "sub/.gitignore": "!keep.log\nlocal.txt\n",
            "sub/keep.log": "needle",
            "sub/other.log": "needle",
            "sub/local.txt": "needle",
            "local.txt": "needle",
        },
    )
    result = ask(FileSystemContextProvider(tmp_path), "needle", max_results=50)
    assert sorted(paths(result)) == ["local.txt", "sub/build/x.txt", "sub/keep.log"]


def test_a_costly_gitignore_line_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path, {".gitignore": "*a" * 40 + "b\n*.log\n", "a" * 200: "needle", "x.log": "needle"})
    assert paths(ask(FileSystemContextProvider(tmp_path), "needle")) == ["a" * 200]


def test_include_and_exclude_choose_files(tmp_path: Path) -> None:
    fill(tmp_path, {"src/a.py": "needle", "src/b.min.js": "needle", "c.md": "needle", "d.txt": "needle"})
    provider = FileSystemContextProvider(tmp_path, include=["src/**", "*.md"], exclude=["*.min.js"])
    assert sorted(paths(ask(provider, "needle"))) == ["c.md", "src/a.py"]


def test_a_search_stops_at_its_deadline_and_says_so(tmp_path: Path) -> None:
    fill(tmp_path, {f"f{number}.txt": "needle" for number in range(9)})
    ticks = iter(range(1000))
    result = ask(FileSystemContextProvider(tmp_path, clock=lambda: float(next(ticks))), "needle")
    assert result.truncated
    assert len(result.items) == 2


def test_a_search_stops_after_the_most_files_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "MAX_FILES", 3)
    fill(tmp_path, {f"d{number}/f.txt": "needle" for number in range(9)})
    result = ask(FileSystemContextProvider(tmp_path), "needle")
    assert result.truncated
    assert len(result.items) == 3


def test_a_cancelled_query_stops_its_thread(tmp_path: Path) -> None:
    fill(tmp_path, {f"f{number}.txt": "needle" for number in range(50)})
    looked: list[float] = []

    async def scenario() -> None:
        loop, is_cancelled = asyncio.get_running_loop(), Event()

        def clock() -> float:
            looked.append(0.0)
            if len(looked) == 5:
                loop.call_soon_threadsafe(query.cancel)
                assert is_cancelled.wait(10)
            return 0.0

        provider = FileSystemContextProvider(tmp_path, clock=clock)
        query = asyncio.create_task(provider.query(ContextQuery(query="needle")))  # noqa: TID251 # awaited below
        query.add_done_callback(lambda _: is_cancelled.set())
        await asyncio.gather(query, return_exceptions=True)

    asyncio.run(scenario())
    assert len(looked) < 10


def test_nothing_is_kept_between_prompts(tmp_path: Path) -> None:
    provider = FileSystemContextProvider(tmp_path)
    assert ask(provider, "needle").items == ()
    fill(tmp_path, {"new.txt": "needle"})
    assert paths(ask(provider, "needle")) == ["new.txt"]


@pytest.mark.parametrize("prompt", ["", "the and of", "!?"])
def test_a_prompt_without_terms_finds_nothing(tmp_path: Path, prompt: str) -> None:
    fill(tmp_path, {"a.txt": "the and of !?"})
    assert ask(FileSystemContextProvider(tmp_path), prompt) == ContextResult(provider="filesystem")


def test_a_missing_folder_finds_nothing(tmp_path: Path) -> None:
    assert ask(FileSystemContextProvider(tmp_path / "none"), "needle").items == ()


def test_a_folder_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    fill(tmp_path, {"root/sub/a.txt": "inside", "outside/a.txt": "secret"})
    assert read_text(tmp_path / "root", "sub/a.txt") == "inside"
    (tmp_path / "root" / "sub").rename(tmp_path / "root" / "old")
    (tmp_path / "root" / "sub").symlink_to(tmp_path / "outside")
    assert read_text(tmp_path / "root", "sub/a.txt") is None


def test_a_very_deep_tree_is_left_at_a_depth(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(100):
        deep /= "d"
    deep.mkdir(parents=True)
    fill(deep, {"a.txt": "x"})
    fill(tmp_path, {"z.txt": "x"})
    assert [file.path for file in walk(tmp_path, FileFilter(), is_over=never)] == ["z.txt"]


def test_no_file_stays_open(tmp_path: Path) -> None:
    fill(tmp_path, {f"d{number}/f.txt": "needle" for number in range(9)})
    before = len(list(Path("/proc/self/fd").iterdir()))
    files = walk(tmp_path, FileFilter(), is_over=never)
    next(files)
    files.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


never: Callable[[], bool] = lambda: False  # noqa: E731 # a name for the answer


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.text(max_size=200)), st.text(max_size=40), st.integers(1, 60))
def test_any_text_and_prompt_give_a_result_within_bounds(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str], prompt: str, max_tokens: int
) -> None:
    root = tmp_path_factory.mktemp("root")
    for name, text in files.items():
        (root / name).write_bytes(text.encode("utf-8", "replace"))
    result = ask(FileSystemContextProvider(root), prompt, max_tokens=max_tokens)
    assert result.total_tokens <= max_tokens
    assert all(0 <= found.relevance <= 1 for found in result.items)
