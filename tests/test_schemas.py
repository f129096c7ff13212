"""Arguments are judged quickly when they are right, and with all faults when they are not."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from a3s_code.schemas import Schema

READ = {
    "type": "object",
    "properties": {
        "file_path": {"type": "string", "description": "The file."},
        "offset": {"type": "integer", "minimum": 0, "default": 0},
        "mode": {"enum": ["text", "image"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["file_path"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({}, "file_path parameter is required", id="missing"),
        pytest.param({"file_path": "a", "ofset": 1}, "unknown parameter ofset; did you mean offset?", id="unknown"),
        pytest.param({"file_path": 5}, "file_path: 5 is not of type 'string'", id="type"),
        pytest.param({"file_path": "a", "offset": -1}, "offset: -1 is less than the minimum of 0", id="limit"),
        pytest.param({"file_path": "a", "offset": True}, "offset: True is not of type 'integer'", id="bool is no int"),
        pytest.param({"file_path": "a", "tags": ["x", 1]}, "tags.1: 1 is not of type 'string'", id="path"),
    ],
)
def test_a_fault_is_said_with_its_path(arguments, said):
    assert Schema(READ).faults(arguments) == [said]


def test_all_faults_are_said_at_once():
    assert len(Schema(READ).faults({"offset": "x", "mode": "sound"})) == 3


def test_right_arguments_need_no_jsonschema():
    schema = Schema(READ)

    assert schema.is_certainly_valid({"file_path": "a", "offset": 3, "mode": "text", "tags": ["x"]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["text", "image", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "file_path"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(["file_path", "offset", "mode", "tags", "other"]), JSON))
def test_the_quick_check_never_accepts_what_jsonschema_refuses(arguments):
    if Schema(READ).is_certainly_valid(arguments):
        assert Draft202012Validator(READ).is_valid(arguments)


def test_a_keyword_beyond_the_quick_check_is_left_to_jsonschema():
    schema = Schema({"type": "object", "properties": {"name": {"type": "string", "pattern": "^a"}}})

    assert not schema.is_certainly_valid({"name": "abc"})
    assert schema.faults({"name": "abc"}) == []
    assert schema.faults({"name": "b"}) == ["name: 'b' does not match '^a'"]


def test_an_invalid_schema_is_the_tools_fault():
    (fault,) = Schema({"type": "object", "properties": {"a": {"type": "nonsense"}}}).faults({"a": 1})

    assert "the tool's own schema cannot be used" in fault


def test_a_reference_to_an_address_is_not_fetched():
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        schema = Schema({"type": "object", "properties": {"a": {"$ref": f"http://127.0.0.1:{server.server_port}/x"}}})

        faults = schema.faults({"a": 1})

        server.shutdown()
        thread.join()

    assert asked == []
    assert "the tool's own schema cannot be used" in faults[0]
