"""Rules decide as written, and no trick makes a call more allowed than they say."""

import json
from pathlib import Path

import pytest
from a3s_code_guard.permission import PermissionPolicy
from a3s_code_guard.plugin import PolicyConfig, a3s_code_permission_checker
from a3s_code_guard.rules import PermissionRule
from a3s_code_guard.shell import commands, simple_words
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.plugin import (
    CommandTarget,
    ConfigError,
    Decision,
    Effects,
    OtherTarget,
    PathTarget,
    PermissionChecker,
    PermissionRequest,
    Target,
    UrlTarget,
)

CORPUS = Path(__file__).parent / "corpus" / "bash_permissions.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_bytes().splitlines()]
STRICTNESS = {"allow": 0, "ask": 1, "deny": 2}
ALLOW, ASK, DENY = Decision.ALLOW, Decision.ASK, Decision.DENY


def judge(policy: PermissionPolicy, tool: str, *targets: Target, effects: Effects = Effects.NONE, **args) -> Decision:
    request = PermissionRequest(tool=tool, arguments=args, targets=targets, effects=effects, workspace="/ws")
    return policy.check(request).decision


def bash(policy: PermissionPolicy, command: str) -> Decision:
    return judge(policy, "bash", CommandTarget(command))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_no_command_of_the_corpus_is_judged_too_permissively(row: dict):
    answer = bash(PermissionPolicy(**row["policy"]), row["command"]).value

    assert STRICTNESS[answer] >= STRICTNESS[row["expect"]] or answer in row["also_ok"], row["why"]


def test_few_harmless_commands_of_the_corpus_are_asked_about(capsys):
    """The precision figure; a real shell parser would bring it to zero."""
    harmless = [row for row in ROWS if row["expect"] == "allow"]
    asked = [row["id"] for row in harmless if bash(PermissionPolicy(**row["policy"]), row["command"]) is not ALLOW]
    with capsys.disabled():
        print(f"\nprecision: {len(asked)} of {len(harmless)} allowed commands are asked about: {' '.join(asked)}")

    assert len(asked) <= 19


def test_the_readme_policy_works():
    policy = PermissionPolicy().allow("read(*)").deny("bash(*)").ask("write(*)")

    assert judge(policy, "read", PathTarget("/ws/a")) is ALLOW
    assert bash(policy, "ls") is DENY
    assert judge(policy, "write", PathTarget("/ws/a", write=True)) is ASK


def test_a_policy_is_a_value():
    policy = PermissionPolicy()
    more = policy.allow("read(*)")

    assert policy == PermissionPolicy()
    assert more == PermissionPolicy(allow=["read(*)"])
    assert hash(more) == hash(PermissionPolicy(allow=["read(*)"]))
    assert more.version != policy.version


@pytest.mark.parametrize(
    ("rule", "tool", "matches"),
    [
        ("mcp__git", "mcp__git__log", True),
        ("mcp__git", "mcp__git2__log", False),
        ("mcp__git", "mcp__git", True),
        ("mcp__*", "mcp__git2__log", True),
        ("mcp__git__*", "mcp__git__log", True),
        ("Bash", "bash", True),
        ("bash", "bash2", False),
    ],
)
def test_rules_name_tools(rule: str, tool: str, matches: bool):
    assert PermissionRule.parse(rule).names(tool) is matches


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("src/*", "/ws/src/a.py", True),
        ("src/*", "/ws/src/b/a.py", False),
        ("src/**", "/ws/src/b/a.py", True),
        ("**/*.py", "/ws/a.py", True),
        ("*.py", "/ws/src/a.py", False),
        ("src/*", "/ws2/src/a.py", False),
        ("**", "/etc/passwd", False),
        ("/etc/*", "/etc/passwd", True),
        ("src/*", "src/../../etc/x", False),
        ("a?.py", "/ws/ab.py", True),
    ],
)
def test_path_patterns(pattern: str, path: str, matches: bool):
    policy = PermissionPolicy(allow=[f"edit({pattern})"], default="deny")

    assert (judge(policy, "edit", PathTarget(path, write=True)) is ALLOW) is matches


def test_a_denied_folder_is_denied_to_its_depth():
    assert judge(PermissionPolicy().deny("write(.git/*)"), "write", PathTarget("/ws/.git/hooks/x")) is DENY


@pytest.mark.parametrize(
    ("pattern", "command", "decision"),
    [
        ("cargo:*", "cargo build", ALLOW),
        ("cargo:*", "cargo", ALLOW),
        ("cargo:*", "cargofoo", ASK),
        ("ls *", "ls src/x", ALLOW),
        ("ls *", "ls", ALLOW),
        ("ls *", "lsof", ASK),
        ("git status*", "git statusx", ASK),
        ("ls *", "ls; ls", ASK),
        ("ls *", "ls $HOME", ASK),
        ("ls *", "ls *", ASK),
        ("ls *", "ls ~", ASK),
        ("ls *", "ls a=~", ASK),
        ("ls *", 'ls "a b"', ALLOW),
        ("ls *", '"l😀s"', ASK),
        ("*", "", ASK),
        ("ls | wc", "ls | wc", ALLOW),
        ("find *", "find . -delete", ASK),
        ("find . -delete", "find . -delete", ALLOW),
    ],
)
def test_command_patterns(pattern: str, command: str, decision: Decision):
    assert bash(PermissionPolicy().allow(f"bash({pattern})"), command) is decision


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf x",
        "/bin/rm x",
        "ls && rm x",
        "ls\nrm x",
        "echo $(rm x)",
        "echo `rm x`",
        "A=1 rm x",
        "sudo -u me rm x",
        "env A=1 nohup rm x",
        "ls | xargs rm",
        "bash -c 'ls; rm x'",
        "echo \"$(bash -c 'rm x')\"",
        "rm 'unclosed",
    ],
)
def test_deny_finds_the_command_wherever_it_hides_even_in_permissive_mode(command: str):
    assert bash(PermissionPolicy.permissive().deny("bash(rm *)"), command) is DENY


@pytest.mark.parametrize(
    "command",
    [
        "sed s/a/b/e f", "sed 's/a/b/w out' f", "sed -ni p f", "sed --expression=1ex f", "sed -e p -e '1e x' f",
        "find . -fls out", "find . -delete", "awk -f x", "awk 'BEGIN{printf 1 > 2}'", "awk -i inplace 1 f",
        "tar --to-command=x -xf a", "tar xFf ./evil a", "tar -xf a --use-compress-program=x", "sort --comp=x f",
        "sort -uo out f", "git -C x log", "git --exec-path=. log", "git diff --ext-diff", "git push ext::sh",
        "git fetch --upload-pack=x", "git rebase -x ./evil", "git log --outp=x", "git grep --open=./evil x",
        "git someones-alias", "git init --template=x", "rg --pre x y", "env ./evil", "xargs rm", "make test SHELL=x",
        "make test -f evil.mk", "npm test --prefix ../x", "go test -toolexec x", "python3.11 -m pytest -c evil.ini",
        "python -m pytest -o addopts=x", "test -v 'a[$(x)]'", "sudo ls", "bash x.sh", "nohup ls", "eval ls",
    ],
)  # fmt: skip
def test_a_wildcard_does_not_cover_options_that_run_programs_or_write_files(command: str):
    program = command.split(maxsplit=1)[0]

    assert bash(PermissionPolicy().allow(f"bash({program} *)", "bash(*)"), command) is ASK


@pytest.mark.parametrize(
    "command",
    [
        "git log --oneline -5 --stat", "git commit -m 'use std::vector'", "find . -name '*.py' -type f", "rg -n x src",
        "sed -n '1,20p' f", "sed -E 's/a/b/g' f", "awk -F: '{print $1}' f", "tar tzf a.tgz", "sort -rn -k2,2 f",
        "go test -race ./...", "npm test", "make -j4 test", "python3 -m pytest -q tests", "git diff HEAD~1 -- src",
    ],
)  # fmt: skip
def test_a_wildcard_covers_ordinary_options(command: str):
    program = command.split(maxsplit=1)[0]

    assert bash(PermissionPolicy().allow(f"bash({program} *)"), command) is ALLOW


def test_quoted_text_is_not_a_command():
    policy = PermissionPolicy().allow("bash(echo *)").deny("bash(rm *)")

    assert bash(policy, "echo 'x; rm -rf y'") is ALLOW


def test_permissive_and_strict():
    assert bash(PermissionPolicy.permissive(), "ls | wc") is ALLOW
    assert bash(PermissionPolicy.permissive().ask("bash(wc *)"), "ls | wc") is ASK
    assert bash(PermissionPolicy(permissive=True).ask("bash(wc *)"), "ls | wc") is ALLOW
    assert bash(PermissionPolicy.strict(), "ls") is DENY


@pytest.mark.parametrize(
    ("target", "effects", "decision"),
    [
        pytest.param(PathTarget("/ws/a"), Effects.READ_ONLY, ALLOW, id="read-inside"),
        pytest.param(PathTarget("/ws"), Effects.READ_ONLY, ALLOW, id="the-workspace"),
        pytest.param(PathTarget("/ws-evil/a"), Effects.READ_ONLY, ASK, id="sibling"),
        pytest.param(PathTarget("/ws/../etc"), Effects.READ_ONLY, ASK, id="dots"),
        pytest.param(PathTarget("/ws/a", write=True), Effects.NONE, ASK, id="write"),
        pytest.param(UrlTarget("https://example.com"), Effects.READ_ONLY | Effects.OPEN_WORLD, ASK, id="url"),
        pytest.param(OtherTarget("query"), Effects.READ_ONLY, ALLOW, id="other"),
        pytest.param(CommandTarget("ls"), Effects.NONE, ASK, id="command"),
    ],
)
def test_without_rules_reading_inside_the_workspace_runs_and_all_else_asks(target, effects, decision):
    assert judge(PermissionPolicy(), "t", target, effects=effects) is decision


def test_the_strictest_target_decides():
    policy = PermissionPolicy().allow("batch(a)").deny("batch(b)")

    assert judge(policy, "batch", OtherTarget("a"), OtherTarget("b")) is DENY
    assert judge(policy, "batch", OtherTarget("a"), OtherTarget("c")) is ASK


def test_a_call_without_targets_is_matched_by_its_arguments_as_json():
    policy = PermissionPolicy().allow('weather({"city":"Ber*"})')

    assert judge(policy, "weather", city="Berlin") is ALLOW
    assert judge(policy, "weather", city="Rome") is ASK


def test_urls_are_matched_whole():
    policy = PermissionPolicy().allow("web_fetch(https://example.com/*)")

    assert judge(policy, "web_fetch", UrlTarget("https://example.com/a/b")) is ALLOW
    assert judge(policy, "web_fetch", UrlTarget("https://example.com.evil/a")) is ASK


@pytest.mark.parametrize(
    ("rule", "url", "decision"),
    [
        ("https://*.python.org/*", "https://docs.python.org/3/", ALLOW),
        ("https://*.python.org/*", "https://evil.example/a.python.org/3/", ASK),
        ("https://*.python.org/*", "https://evil.example/?a.python.org/", ASK),
        ("https://*.python.org/*", "https://evil.example#.python.org/", ASK),
        ("*.python.org/*", "https://docs.python.org/3/", ALLOW),
        ("*.python.org/*", "https://evil.example/a.python.org/", ASK),
        ("docs.python.org/3/*", "http://docs.python.org/3/a/b", ALLOW),
        ("docs.python.org/3/*", "http://docs.python.org/2/", ASK),
        ("*://docs.python.org/*", "http://docs.python.org/", ALLOW),
        ("https://a.example/*", "http://a.example/", ASK),
        ("https://a.example/*?q=*", "https://a.example/b/c?q=1", ALLOW),
        ("https://*", "https://a.example/b", ALLOW),
        ("https://*", "http://a.example/b", ASK),
        ("docs.python.org", "https://docs.python.org/3/?a", ALLOW),
        ("docs.python.org", "https://docs.python.org.evil.example/", ASK),
        ("docs.python.org", "https://evil.example/docs.python.org", ASK),
        ("https://*/*", "https://a.example/b", ALLOW),
    ],
)
def test_a_star_in_an_allowed_host_stays_in_the_host(rule: str, url: str, decision: Decision):
    assert judge(PermissionPolicy().allow(f"web_fetch({rule})"), "web_fetch", UrlTarget(url)) is decision


@pytest.mark.parametrize("rule", ["https://*evil*", "*.evil.example/*", "https://*.evil.example/*"])
def test_a_denied_host_is_denied_wherever_it_stands(rule: str):
    policy = PermissionPolicy().allow("web_fetch").deny(f"web_fetch({rule})")
    for url in ("https://www.evil.example/", "https://a.example/?to=https://www.evil.example/x"):
        assert judge(policy, "web_fetch", UrlTarget(url)) is DENY


@pytest.mark.parametrize("text", ["bash(rm", "", "a b", "bash)x("])
def test_a_malformed_rule_is_an_error(text: str):
    with pytest.raises(ConfigError, match="neither"):
        PermissionRule.parse(text)


def test_the_factory_reads_the_config():
    config = PolicyConfig(allow=("bash(ls *)",), deny=("bash(rm *)",), default=DENY)
    policy = a3s_code_permission_checker(config)

    assert isinstance(policy, PermissionChecker)
    assert policy == PermissionPolicy(allow=["bash(ls *)"], deny=["bash(rm *)"], default=DENY)


def test_a_misspelt_default_is_an_error():
    with pytest.raises(ConfigError, match='"alow"'):
        PermissionPolicy(default="alow")


@settings(deadline=None)
@given(st.text(alphabet="rm ls;|&$(){}`'\"\\\n<>#=*-", max_size=60))
def test_any_text_is_judged_without_an_error(text: str):
    policy = PermissionPolicy().allow("bash(ls *)").deny("bash(rm *)").ask("bash(s*)")

    assert bash(policy, text) in (ALLOW, ASK, DENY)


@settings(deadline=None)
@given(st.text(alphabet="rms -;|&'\"\n", max_size=40))
def test_what_an_allow_rule_understands_is_also_found_for_deny_rules(text: str):
    words = simple_words(text)

    assert words is None or words in commands(text)


def test_a_hundred_thousand_brackets_are_judged():
    policy = PermissionPolicy().allow("bash(*)")

    assert bash(policy, "(" * 100_000) is ASK
    assert bash(policy, "$(" * 8_000) is ASK
    assert bash(policy, "env " * 4_000) is ASK
