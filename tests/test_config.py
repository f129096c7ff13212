"""A file becomes a Config, or an error that says where and what to write instead."""

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from attrs import evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code import hcl
from a3s_code.config import (
    MANY_POINTS,
    POINT_NAMES,
    Config,
    LoadedConfig,
    McpServerConfig,
    ModelConfig,
    PluginsConfig,
    ProviderConfig,
    QueueConfig,
    RetryPolicyConfig,
    SearchEngineConfig,
    Secret,
    discover,
    load,
    needed,
    setting,
    structure,
    validate,
)
from a3s_code.errors import ConfigError, PluginError
from a3s_code.settings import at_least, nearest

DATA = Path(__file__).parent / "data"
START = 'default_model = "a/b"\nproviders { name = "a" }\n'


def loaded(text: str, **environ: str) -> LoadedConfig:
    return load(START + text, environ)


def mistake(text: str, **environ: str) -> str:
    """The error for *text*, which begins in line 1."""
    with pytest.raises(ConfigError) as caught:
        load(text + "\n" + START, environ)
    return str(caught.value)


# --- the README


def test_the_minimal_sample() -> None:
    config = load(DATA / "minimal.hcl", {"ANTHROPIC_API_KEY": "k"}).config
    assert config == Config(
        default_model="anthropic/claude-sonnet-4-20250514",
        providers=(ProviderConfig(name="anthropic", api_key=Secret("k")),),
    )


def test_the_full_sample() -> None:
    config = load(DATA / "full.hcl", {"OPENAI_API_KEY": "k"}).config
    assert [(each.name, each.api_key) for each in config.providers] == [("anthropic", None), ("openai", Secret("k"))]
    assert (config.queue.query_max_concurrency, config.queue.pressure_threshold) == (10, 50)
    assert config.queue.retry_policy == RetryPolicyConfig(max_retries=3, initial_delay_ms=100)
    assert config.queue.rate_limit is not None
    assert config.queue.rate_limit.max_operations == 100
    assert config.search.timeout == 30.0
    assert config.search.engine == {"google": SearchEngineConfig(weight=1.5), "bing": SearchEngineConfig()}
    assert (config.max_tool_rounds, config.thinking_budget) == (50, 10000)
    assert config.skill_dirs == (str(DATA / "skills"),)


def test_each_setting_without_effect_gives_one_warning() -> None:
    warnings = load(DATA / "full.hcl", {}).warnings
    file = DATA / "full.hcl"
    assert warnings[:3] == (
        f"{file}:16:3: queue.enable_metrics has no effect yet",
        f"{file}:17:3: queue.enable_dlq has no effect yet",
        f"{file}:19:3: queue.retry_policy has no effect yet",
    )
    assert load(DATA / "minimal.hcl", {}).warnings == ()


def test_a_null_setting_does_not_warn() -> None:
    assert loaded('storage_url = env("NO")').warnings == ()


# --- types


def test_camel_case_keys() -> None:
    config = loaded('maxToolRounds = 3\nmcpServers {\n name = "x"\n command = "c"\n}\nqueue { retryPolicy {} }').config
    assert (config.max_tool_rounds, len(config.mcp_servers)) == (3, 1)
    assert config.queue.retry_policy == RetryPolicyConfig()


@pytest.mark.parametrize("form", ["headers = {{ {} }}", "headers {{\n {}\n}}"])
def test_keys_of_headers_stay_as_they_are(form: str) -> None:
    entry = 'camelCase = "x"' if "=" not in form else '"X-Api-Key" = "x", camelCase = "y", GONE = env("NO")'
    headers = (
        loaded('mcp_servers {\n name = "s"\n command = "c"\n' + form.format(entry) + "\n}")
        .config.mcp_servers[0]
        .headers
    )
    assert headers == ({"camelCase": "x"} if "=" not in form else {"X-Api-Key": "x", "camelCase": "y"})


def test_numbers_without_fraction_are_numbers() -> None:
    timeout = loaded("search { timeout = 30 }").config.search.timeout
    assert timeout == 30.0
    assert isinstance(timeout, float)


def test_a_block_may_be_written_as_a_map() -> None:
    config = loaded('queue = { query_max_concurrency = 3 }\nmcp_servers = [{ name = "x", command = "c" }]').config
    assert (config.queue.query_max_concurrency, config.mcp_servers[0].name) == (3, "x")


def test_null_counts_as_absent() -> None:
    assert loaded('max_tool_rounds = null\nsessions_dir = env("NO")').config == loaded("").config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('max_tool_rounds = "5"', '1:19: "max_tool_rounds" must be a whole number, not text in quotes'),
        ("max_tool_rounds = 5.0", '1:19: "max_tool_rounds" must be a whole number, not a number with a fraction'),
        ("max_tool_rounds = true", '1:19: "max_tool_rounds" must be a whole number, not true'),
        ("max_tool_rounds = 0", '1:19: "max_tool_rounds" must be at least 1'),
        ("max_tool_rounds {}", '1:1: "max_tool_rounds" must be a whole number, not a block'),
        ("permissive = 1", '1:14: "permissive" must be true or false, not a whole number'),
        ('permissive = "true"', '1:14: "permissive" must be true or false, not text in quotes'),
        ("sessions_dir = 5", '1:16: "sessions_dir" must be text in quotes, not a whole number'),
        ('skill_dirs = "x"', '1:14: "skill_dirs" must be a list, not text in quotes'),
        ('skill_dirs = ["x", 5]', '1:20: "skill_dirs" must be text in quotes, not a whole number'),
        (
            'skill_dirs = [env("NO")]',
            '1:15: "skill_dirs" must be text in quotes, not null: the environment variable NO',
        ),
        ("queue = 5", '1:9: "queue" must be a block, not a whole number'),
        ("queue {}\nqueue {}", '2:1: only one "queue" block; the first is in line 1'),
        ("queue {}\nqueue = {}", '2:1: "queue" is given twice'),
        ("maxToolRounds = 1\nmax_tool_rounds = 2", '2:1: "max_tool_rounds" is given twice'),
        ('queue "x" {}', '1:1: "queue" takes no label'),
        ('providers "x" {}', '1:1: "providers" takes no label'),
        ("providers {\n}", '1:1: "name" is missing: The word before the slash'),
        ('providers { name = env("NO") }', "1:20: the environment variable NO is not set; "),
        ("providers {\n name = null }", '2:9: "name" is missing'),
        ('providers {\n name = "x"\n models {} }', '3:2: "id" is missing'),
        ('queue { retry_policy { strategy = "x" } }', '1:35: "strategy" must be "exponential", "fixed" or "none"'),
        ('queue { rate_limit { limit_type = "x" } }', '1:35: "limit_type" must be "per_second", "per_minute"'),
        ('queue { priority_boost { strategy = "x" } }', '1:37: "strategy" must be "standard", "aggressive" or'),
        ("queue { execute_max_concurrency = -1 }", '1:35: "execute_max_concurrency" must be at least 1'),
        ("queue { lane_timeouts { qery = 1 } }", '1:9: "lane_timeouts" has no lane "qery"; did you mean "query"?'),
        ("queue { lane_timeouts = { query = 0 } }", '1:25: "lane_timeouts" must be at least 1 for "query"'),
        ("search { timeout = 0 }", '1:20: "timeout" must be more than 0'),
        ("search { engine { google { weight = -1 } } }", '1:37: "weight" must be at least 0'),
        ("search { engine { google {}\n google {} } }", '2:2: only one "google" block'),
        ("search { engine { google = 5 } }", '1:28: "google" must be a block, not a whole number'),
        ('default_model = "x"', '1:17: "default_model" must be "provider/model"'),
        ("max_tool_round = 5", '1:1: unknown key "max_tool_round"; did you mean "max_tool_rounds"?'),
        ("maxToolRound = 5", 'unknown key "maxToolRound"; did you mean "max_tool_rounds"?'),
        ("queu {\n}", '1:1: unknown key "queu"; did you mean "queue"?'),
        ("zzz = 5", '1:1: unknown key "zzz"; there are: agent_dirs, default_model,'),
        ("queue { retry_policy { zzz = 5 } }", '1:24: unknown key "zzz"; there are: fixed_delay_ms,'),
    ],
)
def test_mistakes_are_reported_at_their_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text if text.startswith("default_model") else text + "\n" + START, {})
    assert f"<string>:{message}" in str(caught.value) or message in str(caught.value)
    assert (caught.value.line, caught.value.path) >= (1, "<string>")


def test_the_first_mistake_is_reported() -> None:
    assert mistake('queue {\n dlq_max_size = 0\n zzz = 1\n}\nmax_tool_rounds = "5"').startswith("<string>:2:17:")


def test_an_environment_variable_is_text_and_not_repeated() -> None:
    error = mistake('max_tool_rounds = env("N")', N="sk-123")
    assert 'must be a whole number, not env("N"), which is always text' in error
    assert "sk-123" not in error


def test_secrets_are_hidden() -> None:
    config = loaded('providers {\n name = "x"\n api_key = "sk-123"\n}').config
    assert config.providers[1].api_key == Secret("sk-123")
    assert "sk-123" not in repr(config)


# --- classes of plugins


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


@frozen(kw_only=True)
class Inner:
    size: int = setting(1, "Size.", check=at_least(1))


def _even(instance: object, attribute: object, value: int) -> None:
    if value % 2:
        raise ValueError("must be even")


@frozen(kw_only=True)
class PluginSettings:
    image: str = needed("The image.")
    mode: Mode = setting(Mode.FAST, "Mode.")
    level: Literal["low", "high"] = setting("low", "Level.")
    place: Path | None = setting(None, "Place.")
    limit: int | str = setting(1, "A number or a word.")
    names: tuple[str, ...] = setting((), "Names.")
    more: list[int] = field(factory=list)
    inner: Inner = setting(Inner(), "One.")
    inners: tuple[Inner, ...] = setting((), "Several.")
    options: Mapping[str, object] = setting({}, "Anything.")
    labels: dict[str, str] = setting({}, "Labels.")
    even: int = field(default=2, validator=_even)


def structured(text: str, folder: Path | None = None) -> PluginSettings:
    return structure(hcl.parse(text, "p.hcl", {}), PluginSettings, path="p.hcl", folder=folder)


def test_any_attrs_class_can_be_structured() -> None:
    text = """
    image = "x"
    mode = "slow"
    level = "high"
    place = "here"
    limit = "many"
    names = ["a"]
    more = [1, 2]
    inner { size = 3 }
    inners { size = 4 }
    inners { size = 5 }
    options { a = [1, "x", { b = null }]  c { d = true } }
    labels = { Some-Key = "v" }
    """
    assert structured(text, Path("/etc")) == PluginSettings(
        image="x",
        mode=Mode.SLOW,
        level="high",
        place=Path("/etc/here"),
        limit="many",
        names=("a",),
        more=[1, 2],
        inner=Inner(size=3),
        inners=(Inner(size=4), Inner(size=5)),
        options={"a": [1, "x", {"b": None}], "c": {"d": True}},
        labels={"Some-Key": "v"},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mode = "quick"', '"mode" must be "fast" or "slow"'),
        ('level = "mid"', '"level" must be "low" or "high"'),
        ("level = true", '"level" must be "low" or "high"'),
        ("limit = [1]", '"limit" must be '),
        ("inner { size = 0 }", '"size" must be at least 1'),
        ("inners = 5", '"inners" must be a block, not a whole number'),
        ("even = 3", "must be even"),
        ("options = { a { } }", "unexpected"),
    ],
)
def test_mistakes_in_a_plugins_block(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        structured(f'image = "x"\n{text}')
    assert message in caught.value.message
    assert (caught.value.path, caught.value.line) in {("p.hcl", 2), ("p.hcl", 1)}


@frozen
class Odd:
    when: complex = 0j


def test_a_type_that_hcl_cannot_give_is_the_plugins_fault() -> None:
    with pytest.raises(PluginError, match="Odd has a setting that HCL cannot give"):
        structure(hcl.parse('when = "x"'), Odd)


def test_checks_also_hold_for_instances_made_in_code() -> None:
    with pytest.raises(ConfigError, match=r"QueueConfig.query_max_concurrency must be at least 1"):
        QueueConfig(query_max_concurrency=0)
    with pytest.raises(ConfigError, match='must be "exponential"'):
        RetryPolicyConfig(strategy="x")
    with pytest.raises(ConfigError, match='cannot select "tool"'):
        PluginsConfig(select={"tool": "x"})


def test_nearest_names_all_when_none_is_near() -> None:
    assert nearest("x", ()) == "there are: none"


# --- contradictions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\ndefault_modl = "a/b"', '2:1: unknown key "default_modl"; did you mean "default_model"?'),
        (
            'default_model = "foo/x"\nproviders { name = "anthropic" }',
            '1:17: no providers block named "foo"; there are: anthropic',
        ),
        ('default_model = "foo/x"', '1:17: no providers block named "foo"; write providers { name = "foo" ... }'),
        (START + 'providers {\n name = "a"\n}', '4:9: two providers blocks have the name "a"'),
        (
            START + 'providers {\n name = "c"\n models { id = "m" }\n models { id = "m" }\n}',
            '6:16: two models blocks have the id "m"',
        ),
        (START + 'mcp_servers { name = "s" }', '3:22: the transport "stdio" needs "command"'),
        (START + 'mcp_servers { name = "s", transport = "http" }', '3:22: the transport "http" needs "url"'),
        (START + 'mcp_servers { name = "s", transport = "htp" }', '3:39: no transport "htp"; did you mean "http"?'),
        (START, None),
        (START + 'mcp_servers { name = "s", transport = "ws" }\nplugins { use = ["mcp_transport:ws"] }', None),
        (START + 'mcp_servers { name = "s", enabled = false }', None),
    ],
)
def test_contradictions(text: str, message: str | None) -> None:
    if message is None:
        assert load(text, {}).config.default_model == "a/b"
        return
    with pytest.raises(ConfigError) as caught:
        load(text, {})
    assert message in str(caught.value)


def test_a_configuration_made_in_code_is_validated_alike() -> None:
    config = Config(default_model="a/b", providers=(ProviderConfig(name="a"),))
    validate(config)
    with pytest.raises(ConfigError, match=r'default_model: no providers block named "c"; there are: a'):
        validate(evolve(config, default_model="c/b"))
    models = (ModelConfig(id="m"), ModelConfig(id="m"))
    with pytest.raises(ConfigError, match=r'providers\[0\].models\[1\].id: two models blocks have the id "m"'):
        validate(evolve(config, providers=(ProviderConfig(name="a", models=models),)))
    with pytest.raises(ConfigError, match=r'mcp_servers\[0\].name: the transport "stdio" needs "command"'):
        validate(evolve(config, mcp_servers=(McpServerConfig(name="x"),)))


def test_a_missing_key_is_no_error_and_is_remembered() -> None:
    known = load(DATA / "full.hcl", {"OPENAI_API_KEY": "k"})
    assert known.unset_keys == {
        "anthropic": f"{DATA / 'full.hcl'}:5:13: the environment variable ANTHROPIC_API_KEY is not set"
    }


# --- plugins


def test_the_points_are_those_of_the_hookspecs() -> None:
    from a3s_code.hookspecs import POINTS, Arity

    assert tuple(POINTS) == POINT_NAMES
    assert {name for name, point in POINTS.items() if point.arity is Arity.MANY} == set(MANY_POINTS)


def test_the_plugins_block() -> None:
    plugins = loaded(
        'plugins {\n use = ["otel"]\n disabled = ["x:y"]\n dirs = ["/p"]\n bashSandbox = "docker"\n}'
    ).config.plugins
    assert plugins == PluginsConfig(use=("otel",), disabled=("x:y",), dirs=("/p",), select={"bash_sandbox": "docker"})


def test_an_unset_selection_is_no_selection() -> None:
    assert loaded('plugins { bash_sandbox = env("NO") }').config.plugins == PluginsConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('plugins { bash_sanbox = "x" }', '1:11: unknown key "bash_sanbox"; did you mean "bash_sandbox"?'),
        ('plugins { select = { tool = "x" } }', '1:11: unknown key "select"'),
        (
            'plugins { tool = "x" }',
            '1:11: "plugins" cannot select "tool": it has any number of members; name them in use',
        ),
        ('plugins { bash_sandbox = ["x"] }', '1:26: "bash_sandbox" must be text in quotes, not a list'),
        ('plugins { bash_sandbox = "x", bashSandbox = "y" }', '1:31: "bash_sandbox" is given twice'),
        ("plugin {}", '1:1: write plugin "name" { ... }'),
        ('plugin "a" "b" "c" {}', '1:1: write plugin "name" { ... }'),
        ('plugin "bash_sanbox" "x" {}', '1:1: there is no extension point "bash_sanbox"; did you mean "bash_sandbox"?'),
        ('plugin "x" {}\nplugin "x" {}', "2:1: this plugin has a block already, in line 1"),
        ('plugin = "x"', '1:1: unknown key "plugin"'),
    ],
)
def test_mistakes_about_plugins(text: str, message: str) -> None:
    assert f"<string>:{message}" in mistake(text)


def test_blocks_of_plugins_are_kept_for_the_plug_board() -> None:
    blocks = loaded('plugin "docker" { image = "x" }\nplugin "vector_store" "faiss" {}').plugin_blocks
    assert [block.labels for block in blocks] == [("docker",), ("vector_store", "faiss")]
    assert blocks[0].body.attributes["image"].position.line == 3


# --- sources


def test_a_path_and_its_name_and_its_text_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agent.hcl").write_text(START)
    Path("config").write_text(START)
    expected = loaded("").config
    for source in (Path("agent.hcl"), "agent.hcl", "./agent.hcl", str(tmp_path / "agent.hcl"), "config", START):
        known = load(source, {})
        assert (known.config, known.folder) == (expected, tmp_path)
    assert load("agent.hcl", {}).path == Path("agent.hcl")
    assert load(START, {}).path is None


def test_one_line_of_hcl_is_text() -> None:
    assert load(START.replace("\n", " "), {}).config.default_model == "a/b"


def test_paths_are_relative_to_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "agent.hcl").write_text(
        START
        + """
sessions_dir = "./sessions"
memory_dir = "../memory"
skill_dirs = ["skills", "/abs", "~/skills"]
agent_dirs = ["agents"]
storage_url = "sessions.db"
plugins { dirs = ["./plugins"] }
"""
    )
    config = load(tmp_path / "agent.hcl", {}).config
    assert config.sessions_dir == str(tmp_path / "sessions")
    assert config.memory_dir == config.memory.dir == str(tmp_path / "../memory")
    assert config.skill_dirs == (str(tmp_path / "skills"), "/abs", "/home/me/skills")
    assert config.agent_dirs == (str(tmp_path / "agents"),)
    assert config.storage_url == str(tmp_path / "sessions.db")
    assert config.plugins.dirs == (str(tmp_path / "plugins"),)
    assert loaded('sessions_dir = "s"').config.sessions_dir == str(Path.cwd() / "s")


def test_addresses_are_no_paths() -> None:
    assert loaded('storage_url = "postgres://host/db"').config.storage_url == "postgres://host/db"


@pytest.mark.parametrize("name", ["agent.json", "agent.yaml", "agent.yml", "agent.toml", Path("x.JSON")])
def test_other_formats_are_refused_by_name(name: str | Path) -> None:
    with pytest.raises(ConfigError, match=r"(JSON|YAML|TOML) configuration is not supported, use HCL: default_model ="):
        load(name, {})


@pytest.mark.parametrize("text", ['{"default_model": "a/b"}', '\n {"a": [1]}\n', "\ufeff{}"])
def test_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "agent.hcl").write_text(text)
    for source in (text, tmp_path / "agent.hcl"):
        with pytest.raises(ConfigError, match="JSON configuration is not supported, use HCL"):
            load(source, {})


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "large.hcl").write_text("#" * (1 << 20) + "\n")
    for source, message in [
        (tmp_path / "no.hcl", "no.hcl: the configuration cannot be read: No such file or directory"),
        (str(tmp_path / "no.hcl"), "No such file"),
        (tmp_path, "this is a folder"),
        (str(tmp_path), "this is a folder"),
        (tmp_path / "large.hcl", "larger than 1 MiB"),
        (Path("a\0b.hcl"), "cannot be read"),
        ("agent", "there is no such file, and it is no HCL text either: 'agent'"),
        ("x" * 5000, "there is no such file"),
        ("", '"default_model" is missing'),
    ]:
        with pytest.raises(ConfigError, match=re.escape(message)):
            load(source, {})


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "agent.hcl").write_text(START)
    (tmp_path / "agent.hcl").chmod(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        load(tmp_path / "agent.hcl", {})


def test_a_file_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    (tmp_path / "a.hcl").write_bytes('# é\nb = "'.encode() + b'\xe9"\n')
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "a.hcl", {})
    assert (caught.value.line, caught.value.column) == (2, 6)
    assert "byte 0xe9 at offset 10" in caught.value.message


# --- discovery


def test_the_order_of_discovery(tmp_path: Path) -> None:
    home, cwd = tmp_path / "home", tmp_path / "cwd"
    (home / ".a3s").mkdir(parents=True)
    cwd.mkdir()
    (cwd / "agent.hcl").touch()
    own = home / ".a3s" / "config.hcl"
    own.touch()
    assert discover("x.hcl", {"A3S_CONFIG": "y.hcl"}, home, cwd) == Path("x.hcl")
    assert discover(None, {"A3S_CONFIG": "y.hcl"}, home, cwd) == Path("y.hcl")
    assert discover(None, {"A3S_CONFIG": ""}, home, cwd) == own


def test_a_folders_own_configuration_is_not_used_by_itself(tmp_path: Path) -> None:
    (tmp_path / "agent.hcl").touch()
    with pytest.raises(ConfigError) as caught:
        discover(None, {}, tmp_path / "home", tmp_path)
    assert str(caught.value) == "found ./agent.hcl; pass -c ./agent.hcl to use it"


def test_a_newcomer_is_told_what_to_do_in_two_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        discover(None, {}, tmp_path, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "~/.a3s/config.hcl" in lines[0]
    assert "a3s-code demo" in lines[1]


def test_what_a_newcomer_is_told_to_write_works(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        discover(None, {}, tmp_path, tmp_path)
    for line in str(caught.value).splitlines():
        text = line[line.index("default_model") : line.rindex("}") + 1]
        assert load(text, {}).config.providers


# --- the page and the cost


def test_the_reference_page_is_up_to_date() -> None:
    file = Path(__file__).parent.parent / "docs" / "generate_configuration.py"
    spec = importlib.util.spec_from_file_location("generate_configuration", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.render(), f"run python {file}"


def test_importing_the_configuration_is_cheap() -> None:
    code = "import sys, a3s_code.config; print({'lark', 'hcl2', 'cattrs', 'pluggy', 'json'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert out.strip() == "set()"


# --- anything at all

SAMPLE = (DATA / "full.hcl").read_text("utf-8")
PIECES = [
    "queue",
    "=",
    "{",
    "}",
    "5",
    '"x"',
    "null",
    "[1]",
    'env("X")',
    "plugins",
    "plugin",
    '"',
    "\n",
    ",",
    "tool",
    "name",
]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    words = SAMPLE.split(" ")
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(words) - 1))
        words[start : start + draw(st.integers(0, 3))] = draw(st.lists(st.sampled_from(PIECES), max_size=2))
    return " ".join(words)


def check_place(text: str, error: ConfigError) -> None:
    lines = text.split("\n")
    assert error.line is not None
    assert error.column is not None
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1


@settings(deadline=None, max_examples=200)
@given(mutations())
def test_a_changed_sample_is_loaded_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        load(text + "\n", {})
    except ConfigError as error:
        check_place(text + "\n", error)


@settings(deadline=None, max_examples=200)
@given(content=st.binary(max_size=60) | mutations().map(str.encode))
def test_any_bytes_are_loaded_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.hcl"
    file.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load(file, {})
