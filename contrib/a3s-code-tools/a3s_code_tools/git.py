"""Running git in a folder nobody vouches for: nothing that its configuration names is run.

Programs that git's configuration can name, and what keeps each from running here:

    hooks, core.fsmonitor, pagers, editors, gpg   fixed settings, which win over every file (git-config, "SCOPES")
    filter.<name>.clean, smudge and process       listed first, in the same folder, and set to nothing
    hook.<name>.command (git 2.54 and newer)      listed first, and disabled
    transports of partial clones                  no protocol is allowed and nothing is fetched on demand
    submodules, which have settings of their own  not looked into
    GIT_* variables of this process               not handed on
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from a3s_code.plugin import ToolError, ToolErrorKind
from a3s_code_tools.child import allowed_env, run_child

__all__ = ["Git", "GitError"]

MAX_READ_BYTES = 16 * 1024 * 1024
"""Bytes of git's output that are looked at."""

_NEUTRAL = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "core.editor": "false",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "core.quotePath": "false",
    "credential.helper": "",
    "gpg.program": "false",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "status.submoduleSummary": "false",
    "advice.detachedHead": "false",
}
_WARNING = re.compile(r"^warning: .*\n?", re.MULTILINE)
_FILTER = re.compile(r"filter\.(.+)\.(clean|smudge|process|required)", re.DOTALL)
_HOOK = re.compile(r"hook\.(.+)\.[^.]+", re.DOTALL)
_PROTOCOL = re.compile(r"protocol\.(.+)\.allow", re.DOTALL)


class GitError(ToolError):
    """A git command failed.

    Args:
        said: What git said, or "".
        command: The command.
        exit_code: How it ended.
    """

    def __init__(self, said: str, command: str, exit_code: int):
        super().__init__(f"git {command}: {said or f'exit code {exit_code}'}")
        self.said = said
        self.exit_code = exit_code


class Git:
    """Git in one folder, without prompts, network and foreign programs; a repository above it is left alone.

    Args:
        folder: Where it runs; absolute.
        ends_at: When the call's time is up, by the event loop's clock.
        limit_s: The seconds that the call had, for the message.
    """

    def __init__(self, folder: Path, *, ends_at: float, limit_s: float):
        self.folder = folder
        self._ends_at = ends_at
        self._limit_s = limit_s
        # relative entries would find programs in the workspace
        self._path = os.pathsep.join(one for one in os.environ.get("PATH", os.defpath).split(":") if one[:1] == "/")
        self._program = shutil.which("git", path=self._path)
        self._settings: Mapping[str, str] | None = None
        self.filters: tuple[str, ...] = ()

    def at(self, folder: Path, *, ends_at: float | None = None) -> "Git":
        """The same in another folder, whose settings may differ; no repository above it is found."""
        ends_at = self._ends_at if ends_at is None else ends_at
        return Git(folder, ends_at=ends_at, limit_s=self._limit_s)

    async def __call__(self, *args: str, at_most: int = MAX_READ_BYTES) -> str:
        """The output of a git command; bytes that are not UTF-8 as surrogates.

        Raises:
            GitError: It failed, with git's words.
            ToolError: TIMEOUT, it took too long; UNSUPPORTED, git is missing.
        """
        if self._settings is None:
            self._settings = await self._neutral()
        text = await self._run(args, self._settings, at_most)
        return _WARNING.sub("", text)

    async def _neutral(self) -> Mapping[str, str]:
        """The settings that win over those of the repository; reading them runs nothing.

        Raises:
            ToolError: UNSUPPORTED, this git would not obey them.
        """
        proof = f"a3s.n{secrets.token_hex(8)}"  # a name that no file holds
        asked = ("config", "--null", "--name-only", "--get-regexp", ".")
        try:
            listed = await self._run(asked, _NEUTRAL | {proof: ""}, MAX_READ_BYTES)
        except GitError as error:
            if error.said or error.exit_code != 1:  # 1 without a word: nothing is set
                raise
            listed = ""
        # a name has no line end: what stands before one is a warning
        names = [name.rpartition("\n")[2] for name in listed.split("\0")]
        if proof not in names:
            text = "git is older than 2.31 and could run programs that the repository names; tell the user to update it"
            raise ToolError(text, ToolErrorKind.UNSUPPORTED)
        settings = dict(_NEUTRAL)
        filters: set[str] = set()
        for name in names:
            if match := _FILTER.fullmatch(name):
                filters.add(match[1])
                settings[name] = "false" if match[2] == "required" else ""
            elif match := _HOOK.fullmatch(name):
                settings[f"hook.{match[1]}.enabled"] = "false"
            elif _PROTOCOL.fullmatch(name):
                settings[name] = "never"
        self.filters = tuple(sorted(filters))
        return settings

    async def _run(self, args: tuple[str, ...], settings: Mapping[str, str], at_most: int) -> str:
        if self._program is None:
            raise ToolError("git is not installed here; tell the user to install it", ToolErrorKind.UNSUPPORTED)
        output = bytearray()

        def take(chunk: bytes) -> None:
            output.extend(chunk[: at_most - len(output)])

        left_s = self._ends_at - asyncio.get_running_loop().time()
        try:
            ended = await run_child(
                [self._program, "--no-pager", *args],
                cwd=str(self.folder),
                env=self._env(settings),
                timeout_s=max(0.0, left_s),
                on_bytes=take,
            )
        except OSError as error:
            raise ToolError(f"git could not be started in {self.folder}: {error.strerror}") from error
        if ended.timed_out:
            text = f"git {args[0]} was stopped: the call had {self._limit_s:g} s; check what it left behind with status"
            raise ToolError(text, ToolErrorKind.TIMEOUT)
        text = output.decode("utf-8", "surrogateescape")
        if ended.exit_code != 0:
            raise GitError(_words(text), args[0], ended.exit_code)
        return text

    def _env(self, settings: Mapping[str, str]) -> dict[str, str]:
        env = {name: value for name, value in allowed_env().items() if not name.startswith("GIT_")}
        # as variables, because "=" may stand in a name
        for number, (name, value) in enumerate(settings.items()):
            env[f"GIT_CONFIG_KEY_{number}"], env[f"GIT_CONFIG_VALUE_{number}"] = name, value
        return env | {
            "GIT_CONFIG_COUNT": str(len(settings)),
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            "GIT_EDITOR": "false",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "PATH": self._path,
        }


def _words(text: str) -> str:
    """What git said in a failure, without its prefixes and hints."""
    lines = [line for line in text.splitlines() if not line.startswith(("hint: ", "warning: ", "Preparing worktree"))]
    said = " ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in lines).strip()
    return said.encode("utf-8", "backslashreplace").decode()[:2000]
