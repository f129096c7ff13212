"""The official tools and the local shell keep the contracts."""

import subprocess

import pytest
from a3s_code_testing.contracts import BashSandboxContract, ToolContract

pytest.importorskip("a3s_code_tools", reason="a3s-code-tools is not installed")


class TestLocalBashExecutor(BashSandboxContract):
    @pytest.fixture
    def bash_sandbox(self):
        from a3s_code_tools.sandbox import LocalBashExecutor

        return LocalBashExecutor()


class TestRead(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import read

        return read()

    @pytest.fixture
    def arguments(self, workspace):
        (workspace / "note.txt").write_text("one\ntwo\n")
        return {"file_path": "note.txt"}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"file_path": "missing.txt"}


class TestWrite(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import write

        return write()

    @pytest.fixture
    def arguments(self):
        return {"file_path": "new.txt", "content": "one\n"}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"file_path": "../outside.txt", "content": "one\n"}


class TestEdit(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import edit

        return edit()

    @pytest.fixture
    def arguments(self, workspace):
        (workspace / "note.txt").write_text("one\ntwo\n")
        return {"file_path": "note.txt", "old_string": "one", "new_string": "1"}

    @pytest.fixture
    def hopeless_arguments(self, arguments):
        return {**arguments, "old_string": "three"}


class TestPatch(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import patch

        return patch()

    @pytest.fixture
    def arguments(self, workspace):
        (workspace / "note.txt").write_text("one\ntwo\n")
        return {"diff": "--- a/note.txt\n+++ b/note.txt\n@@ -1,2 +1,2 @@\n-one\n+1\n two\n"}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"diff": "--- a/missing.txt\n+++ b/missing.txt\n@@ -1 +1 @@\n-one\n+1\n"}


class TestLs(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import ls

        return ls()

    @pytest.fixture
    def arguments(self):
        return {"path": "."}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"path": "missing"}


class TestGlob(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import GlobConfig, glob

        return glob(GlobConfig())

    @pytest.fixture
    def arguments(self, workspace):
        (workspace / "a.py").write_text("")
        return {"pattern": "**/*.py"}


class TestGrep(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import GrepConfig, grep

        return grep(GrepConfig())

    @pytest.fixture
    def arguments(self, workspace):
        (workspace / "a.py").write_text("needle\n")
        return {"pattern": "needle"}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"pattern": "("}


class TestBash(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import BashConfig, bash
        from a3s_code_tools.sandbox import LocalBashExecutor

        return bash(BashConfig(), LocalBashExecutor())

    @pytest.fixture
    def arguments(self):
        return {"command": "echo hello"}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"command": "no-such-program-at-all"}


class TestBatch(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import batch

        return batch()

    @pytest.fixture
    def arguments(self):
        return {"invocations": [{"tool": "ls"}]}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"invocations": [{"tool": "batch"}]}


class TestGitWorktree(ToolContract):
    @pytest.fixture
    def tool(self):
        from a3s_code_tools.plugin import git_worktree

        return git_worktree()

    @pytest.fixture
    def arguments(self, workspace):
        subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
        return {"command": "status"}

    @pytest.fixture
    def hopeless_arguments(self):
        return {"command": "list"}
