"""The rules of the house: what must agree with what."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import a3s_code
from a3s_code import config, errors
from a3s_code.extensions import Extensions, Family, Members, Slot
from a3s_code.hookspecs import GIVEN, POINTS, REGISTRIES, Arity, Scope, Specs
from a3s_code.plugins import DEFAULTS, OFFICIAL, Catalogue, Selection, dependencies
from a3s_code.points import (
    confirmation,
    context,
    embedding,
    hooks,
    http,
    llm,
    mcp,
    memory,
    permission,
    planning,
    sandbox,
    security,
    session_command,
    sessions,
    skills,
    slash,
    tools,
    vectors,
)

ROOT = Path(a3s_code.__file__).parent.parent
SUBJECTS = (
    confirmation, context, embedding, hooks, http, llm, mcp, memory, permission, planning, sandbox, security,
    session_command, sessions, skills, slash, tools, vectors,
)  # fmt: skip


def test_there_are_nineteen_extension_points_and_three_registries():
    specs = {name.removeprefix("a3s_code_") for name in vars(Specs) if name.startswith("a3s_code_")}

    assert len(POINTS) == 19
    assert specs == set(POINTS)
    assert set(REGISTRIES) == {"a3s_code.slash_command", "a3s_code.cli", "a3s_code.lane_backend"}


def test_each_point_has_one_slot():
    extensions = Extensions(Selection(Catalogue(())), settings=None)
    slots = {name: value for name, value in vars(extensions).items() if isinstance(value, Slot | Members | Family)}
    kinds = {Arity.ONE: Slot, Arity.MANY: Members, Arity.BY_NAME: Family}

    assert set(slots) == set(POINTS)
    assert all(isinstance(slots[name], kinds[point.arity]) for name, point in POINTS.items())


def test_each_protocol_of_the_catalogue_exists_under_its_name():
    words = {name for subject in SUBJECTS for name in subject.__all__}

    assert {point.protocol for point in POINTS.values()} <= words


def test_the_configuration_knows_the_points():
    assert set(config.POINT_NAMES) == set(POINTS)
    assert set(config.MANY_POINTS) == {name for name, point in POINTS.items() if point.arity is Arity.MANY}


def test_dependencies_form_no_cycle_and_never_go_from_agent_to_session():
    for name, point in POINTS.items():
        for needed in dependencies(point):
            assert needed in POINTS, f"{name} names {needed}"
            if point.scope is Scope.AGENT:
                assert POINTS[needed].scope is Scope.AGENT, f"{name} lives longer than {needed}"
                assert needed not in ("llm_client", "embedding_provider")
    order: list[str] = []
    while len(order) < len(POINTS):
        ready = [name for name, point in POINTS.items() if name not in order and set(dependencies(point)) <= set(order)]
        assert ready, f"a cycle among {set(POINTS) - set(order)}"
        order += ready


def test_every_parameter_of_a_hookspec_is_a_point_or_given():
    for name, point in POINTS.items():
        parameters = tuple(inspect.signature(getattr(Specs, point.spec_name)).parameters)[1:]

        assert parameters[:2] == ("config", "log"), name
        assert all(parameter in GIVEN or parameter in POINTS for parameter in parameters)


def modules() -> list[Path]:
    return sorted((ROOT / "a3s_code").rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_all_names_what_another_module_imports(path):
    """`__all__` is what a module promises: nobody imports from it what does not stand there."""
    promised = declared(path)
    if promised is None:
        return
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    assert imports_within_the_kernel().get(module, set()) - submodules(path) <= set(promised)


def declared(path: Path) -> list[str] | None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return list(ast.literal_eval(node.value)) if isinstance(node.value, ast.List) else None
    return None


@cache
def imports_within_the_kernel() -> dict[str, set[str]]:
    taken: dict[str, set[str]] = {}
    for source in modules():
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                taken.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return taken


def submodules(path: Path) -> set[str]:
    return {one.stem for one in path.parent.glob("*.py")} if path.name == "__init__.py" else set()


def test_requirements_are_local_paths_so_that_pip_never_fetches_a_strangers_package():
    for name in ("requirements.txt", "requirements-all.txt"):
        for line in (ROOT / name).read_text().splitlines():
            text = line.partition("#")[0].strip()
            if text and not text.startswith("-r "):
                assert text == "." or text.startswith("./contrib/"), f"{name}: {text}"
                assert (ROOT / text / "pyproject.toml").is_file(), f"{name}: {text}"


def test_requirements_name_every_default_distribution():
    listed = set((ROOT / "requirements.txt").read_text().split())
    contrib = {path.parent.name for path in ROOT.glob("contrib/*/pyproject.toml")}

    assert {f"./contrib/{name}" for name in contrib & set(DEFAULTS) | {"a3s-code"}} == listed & {
        f"./contrib/{name}" for name in contrib
    }


def test_the_code_free_distribution_requires_the_defaults_that_exist():
    contrib = {path.parent.name for path in ROOT.glob("contrib/*/pyproject.toml")}
    text = (ROOT / "contrib" / "a3s-code" / "pyproject.toml").read_text()
    required = set(re.findall(r'"(a3s-code-[a-z-]+) ', text))

    assert required == (contrib | {"a3s-code-core"}) & set(DEFAULTS)


def test_every_distribution_here_is_official():
    contrib = {path.parent.name for path in ROOT.glob("contrib/*/pyproject.toml")}

    assert contrib - {"a3s-code"} <= OFFICIAL


def test_plugins_import_only_the_plugin_module_of_the_kernel():
    allowed = {"a3s_code.plugin"}
    doors = {"a3s_code_terminal": {"a3s_code.plugin", "a3s_code.events", "a3s_code.errors", "a3s_code"}}
    for path in sorted(ROOT.glob("contrib/*/a3s_code_*/**/*.py")):
        package = path.relative_to(ROOT / "contrib").parts[1]
        if package == "a3s_code_testing":  # it tests the kernel's points and may see them
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name == "a3s_code" or name.startswith("a3s_code."):
                    assert name in doors.get(package, allowed), f"{path.relative_to(ROOT)} imports {name}"


def test_the_core_requires_little():
    text = (ROOT / "pyproject.toml").read_text()
    block = text.partition("dependencies = [")[2].partition("]")[0]

    assert set(re.findall(r'"([a-z0-9-]+) ', block)) == {
        "attrs", "cattrs", "docstring-parser", "jsonschema", "lark", "orjson", "pluggy", "python-hcl2", "referencing",
        "stevedore",
        "structlog",
    }  # fmt: skip


def test_the_lowest_versions_are_those_that_the_distributions_state():
    """`tox -e lowest` tests the lower bounds; a bound that is stated and not tested is a guess."""
    stated = set()
    for path in (ROOT / "pyproject.toml", *ROOT.glob("contrib/*/pyproject.toml")):
        for requirement in tomllib.loads(path.read_text())["project"].get("dependencies", []):
            name, _, bounds = requirement.partition(" ")
            if not name.startswith("a3s-code"):
                stated.add(f"{name}=={bounds.partition(',')[0].removeprefix('>=')}")
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()

    assert {line for line in lines if not line.startswith("#")} == stated


def test_there_are_at_most_ten_error_classes_and_each_is_public():
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]

    assert len(classes) <= 10
    assert {one.__name__ for one in classes} <= set(errors.__all__) & set(a3s_code.__all__)


def test_the_stub_types_what_the_package_exports():
    exporters = {offer.origin.distribution for offer in __import__("a3s_code.plugins").plugins.scan().of("exports")}
    if not set(a3s_code._EXPORTED_BY) <= exporters:
        pytest.skip("needs every default distribution (tox -e all)")

    answer = subprocess.run([sys.executable, str(ROOT / "docs" / "generate_stub.py"), "--check"], check=False)

    assert answer.returncode == 0, "run python docs/generate_stub.py"


def test_starting_imports_neither_lark_nor_stevedore_nor_an_sdk():
    code = (
        "import sys, a3s_code\n"
        "heavy = {'lark', 'hcl2', 'stevedore', 'anthropic', 'openai', 'httpx2', 'structlog', 'cattrs', 'jsonschema', "
        "'asyncio', 'attr', 'pluggy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


def test_nothing_in_the_kernel_knows_a_plugin():
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            module = getattr(node, "module", None) or ""
            names = [module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            foreign = [name for name in names if re.match(r"a3s_code_(?!testing)", name)]

            assert not foreign, f"{path.name} imports {foreign}"
