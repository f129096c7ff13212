"""HCL text as a tree of values, each of which knows its place.

Grammar and lexer are python-hcl2's, run by lark; only what a configuration needs is accepted: literals, lists, maps,
heredocs and `env("NAME")`. Both libraries are imported when the first text is parsed.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from a3s_code.errors import ConfigError

if TYPE_CHECKING:
    from lark import Token, Tree, UnexpectedCharacters, UnexpectedToken

    Node: TypeAlias = Tree[Token]
    TokenStream: TypeAlias = Iterator[Token]

__all__ = ["Attribute", "Block", "Body", "Fault", "ListValue", "Position", "Scalar", "Value", "parse"]

MAX_DEPTH = 50
"""Brackets inside brackets; no configuration comes near it, and Python's stack bears it."""

ACCEPTED = 'a value is text in quotes, a number, true, false, null, a list, a map, a heredoc or env("NAME")'


_STATEMENT = "write `name = value` or `name { ... }`"


@frozen(order=True)
class Position:
    """A place in the text; line and column (in characters) count from 1."""

    line: int
    column: int


@frozen
class Scalar:
    """Text, a number, a truth value or null.

    Args:
        value: The value; hidden in the repr because it may be a secret.
        position: Where it stands.
        variable: The environment variable that it came from; with it a null means that the variable is not set.
    """

    value: str | int | float | bool | None = field(repr=False)
    position: Position
    variable: str | None = None


@frozen
class ListValue:
    """`[a, b]`"""

    elements: "tuple[Value, ...]"
    position: Position


@frozen
class Body:
    """What a file or a block holds; a map is a body without blocks. Keys are as written."""

    attributes: "Mapping[str, Attribute]"
    blocks: "tuple[Block, ...]"
    position: Position


Value: TypeAlias = Scalar | ListValue | Body


@frozen
class Attribute:
    """`name = value`; the position is the name's."""

    name: str
    value: Value
    position: Position


@frozen
class Block:
    """`type "label" { ... }`; the position is the type's."""

    type: str
    labels: tuple[str, ...]
    body: Body
    position: Position


class Fault(Exception):  # noqa: N818 # never leaves the configuration: `error` makes the public one
    """Something is wrong at a place of a text whose name is known further up."""

    def __init__(self, message: str, position: Position):
        super().__init__(message)
        self.message = message
        self.position = position

    def error(self, path: str) -> ConfigError:
        return ConfigError(self.message, path=path, line=self.position.line, column=self.position.column)


def parse(text: str, path: str = "<string>", environ: Mapping[str, str] = os.environ) -> Body:
    """The body of an HCL text.

    Args:
        text: The text; a byte order mark in front is skipped.
        path: Name of the text in errors.
        environ: Where `env("NAME")` looks.

    Raises:
        ConfigError: At the place that is wrong.
    """
    text = text.removeprefix("\ufeff")
    try:
        _check_unicode(text)
        return _Reader(environ).body(_tree(text), Position(1, 1))
    except Fault as fault:
        raise fault.error(path) from None


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise Fault("this character is not valid Unicode", _position_at(text, exc.start)) from None


def _position_at(text: str, offset: int) -> Position:
    return Position(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


# --- from text to lark's tree


def _tree(text: str) -> "Node":
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    from a3s_code.hcl_grammar import grammar

    lark, join_lines = grammar()
    parser = lark.parse_interactive(text if text.endswith("\n") else text + "\n")  # comments want a line's end
    watch = _Watch(text)
    try:
        stream = parser.lexer_thread.lex(parser.parser_state)  # type: ignore[no-untyped-call]  # lark is half typed
        for token in watch.tokens(join_lines(stream)):
            parser.feed_token(token)
        tree: Node = parser.feed_eof()  # type: ignore[no-untyped-call] # lark has no types for it
    except UnexpectedToken as exc:
        raise watch.refusal(exc) from None
    except UnexpectedCharacters as exc:
        raise watch.strange_character(exc) from None
    return tree


_NAMES = frozenset({"NAME", "IN", "FOR", "IF", "FOR_EACH", "ELSE", "ENDIF", "ENDFOR", "TRUE", "FALSE", "NULL"})
_VALUE_ENDS = _NAMES | {"DBLQUOTE", "RSQB", "RPAR", "RBRACE", "INT_LITERAL", "FLOAT_LITERAL"}
_OPENERS = {"LBRACE": "RBRACE", "LSQB": "RSQB", "LPAR": "RPAR"}


@frozen
class _Opening:
    """A bracket or quote that is open."""

    token: "Token"
    closer: str
    is_block: bool

    @property
    def position(self) -> Position:
        return _position(self.token)

    def unclosed(self) -> Fault:
        if self.closer == "DBLQUOTE":
            return Fault("this quote is not closed on its line; longer text is a heredoc: <<END", self.position)
        return Fault(f'this "{self.token}" is not closed', self.position)


class _Watch:
    """Follows the brackets of one text, so that mistakes are reported where they were made.

    It also lets one comma stand between two attributes of a block: HCL forbids it, people write it in one-line blocks.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._opened: list[_Opening] = []
        self._previous = ""

    def tokens(self, stream: "TokenStream") -> "TokenStream":
        """The tokens without such commas. A comma that stands elsewhere stays: the parser refuses it at its place."""
        held: list[Token] = []  # a comma after an attribute, then the line ends behind it
        dropped: Token | None = None  # a comma before a name, which may still turn out to be no attribute's
        for token in stream:
            if held and token.type == "NL_OR_COMMENT":
                held.append(token)
                continue
            if dropped and token.type != "EQ":
                yield dropped
            dropped = None
            if held and token.type in _NAMES:
                dropped = held.pop(0)
            yield from held
            held = [token] if self._may_separate(token) else []
            if not held:
                self._check(token)
                yield token
                self._follow(token)
        yield from held

    def _may_separate(self, token: "Token") -> bool:
        in_block = bool(self._opened) and self._opened[-1].is_block
        return token.type == "COMMA" and in_block and self._previous in _VALUE_ENDS

    def _check(self, token: "Token") -> None:
        if token.type in ("INTERP_START", "DIRECTIVE_START"):
            raise _template(str(token), _position(token))
        if token.type == "STRING_CHARS" and "\n" in token:
            raise self._opened[-1].unclosed()
        if token.type.startswith("ESCAPED_") and ("\n" in token or '"' in token):
            raise Fault(f'"{token[:3]}" needs a "}}" in the same text', _position(token))
        if token.type in ("SLASH", "LT") and (strange := self._strange(token.start_pos)):
            raise Fault(strange, _position(token))
        if len(self._opened) >= MAX_DEPTH:
            raise Fault(f"more than {MAX_DEPTH} brackets inside each other", _position(token))

    def _follow(self, token: "Token") -> None:
        opened, kind, previous = self._opened, token.type, self._previous
        self._previous = kind
        if opened and opened[-1].closer == kind:
            if opened.pop().is_block:
                self._previous = "end of a block"
        elif kind == "DBLQUOTE":
            opened.append(_Opening(token, kind, is_block=False))
        elif kind in _OPENERS:
            after_header = previous in _NAMES or previous == "DBLQUOTE"
            in_body = not opened or opened[-1].is_block
            opened.append(_Opening(token, _OPENERS[kind], is_block=kind == "LBRACE" and in_body and after_header))

    def refusal(self, error: "UnexpectedToken") -> Fault:
        token = error.token
        if token.type == "$END":
            at_end = Fault(f"the text ends too early; {_STATEMENT}", _position_at(self._text, len(self._text)))
            return self._opened[-1].unclosed() if self._opened else at_end
        if strange := self._strange(token.start_pos):
            return Fault(strange, _position(token))
        if self._opened and self._is_unclosed(self._opened[-1], token):
            return self._opened[-1].unclosed()
        return Fault(f"unexpected {_shown(token)}; {self._hint(token, error.expected)}", _position(token))

    def _is_unclosed(self, opening: _Opening, token: "Token") -> bool:
        """Whether *token* looks like the next attribute or block after a list or map that nobody closed."""
        return (
            not opening.is_block
            and _position(token).line > opening.position.line
            and (token.type in _NAMES or token.type in ("EQ", "LBRACE", "RBRACE"))
        )

    def _hint(self, token: "Token", expected: set[str]) -> str:
        if self._opened and not self._opened[-1].is_block and "COMMA" in expected:
            return f'after a value comes "," or the end of the "{self._opened[-1].token}"'
        if "LSQB" in expected and "DOT" not in expected:
            return ACCEPTED
        if token.startswith(","):
            return "one comma may stand between two attributes of a block, on the first one's line"
        if token.type == "DBLQUOTE":
            return "the name of an attribute is written without quotes"
        return _STATEMENT

    def strange_character(self, error: "UnexpectedCharacters") -> Fault:
        position = Position(error.line, error.column)
        if self._opened and self._opened[-1].closer == "DBLQUOTE":
            if error.char in "$%":
                return Fault(f'"{error.char * 2}{{" needs a "}}" in the same text', position)
            return self._opened[-1].unclosed()
        return Fault(self._strange(error.pos_in_stream) or f"unexpected {error.char!r}; {ACCEPTED}", position)

    def _strange(self, offset: int | None) -> str | None:
        """What is wrong with a place that HCL's lexer has no word for."""
        ahead = self._text[offset or 0 :][:2]
        if ahead == "<<":
            return "this heredoc is not closed: its end mark stands alone on a line"
        if ahead == "/*":
            return "this comment is not closed"
        if ahead[:1] in tuple("'‘’“”`"):
            return f'text stands in straight double quotes ("), not in {ahead[0]}'
        return None


def _shown(token: "Token") -> str:
    """A token for a message; words are not repeated, they may be somebody's key without its quotes."""
    start = token.lstrip(" \t")[:1]
    if token.type == "NL_OR_COMMENT" or start == "\n":
        return "end of the line"
    if start == '"':
        return "text in quotes"
    return "word" if start.isalnum() or start == "_" else f'"{start}"'


def _template(start: str, position: Position) -> Fault:
    return Fault(f'templates are not supported; write "{start[0]}{start}" for a literal "{start}"', position)


def _position(token: "Token") -> Position:
    assert token.line is not None
    assert token.column is not None
    return Position(token.line, token.column + len(token) - len(token.lstrip(" \t")))


# --- from lark's tree to our values


_REFUSED = {
    "conditional": "conditions",
    "binary_op": "operators",
    "unary_op": "operators",
    "for_tuple_expr": "for expressions",
    "for_object_expr": "for expressions",
    "index_expr_term": "indexes",
    "get_attr_expr_term": "references",
    "attr_splat_expr_term": "splats",
    "full_splat_expr_term": "splats",
    "template_string": "templates",
}


class _Reader:
    """Turns the tree into values; refuses what a configuration does not need."""

    def __init__(self, environ: Mapping[str, str]):
        self._environ = environ

    def body(self, node: "Node", position: Position) -> Body:
        if node.data == "start":
            (node,) = _nodes(node)
        attributes: dict[str, Attribute] = {}
        blocks = []
        for child in _nodes(node):
            if child.data == "attribute":
                name, expression = _nodes(child)
                self._add(attributes, Attribute(str(_token(name)), self.value(expression), _place(name)))
            elif child.data == "block":
                blocks.append(self._block(child))
        return Body(attributes, tuple(blocks), position)

    def _add(self, attributes: dict[str, Attribute], attribute: Attribute) -> None:
        first = attributes.setdefault(attribute.name, attribute)
        if first is not attribute:
            raise Fault(
                f'"{attribute.name}" is set twice; the first is in line {first.position.line}', attribute.position
            )

    def _block(self, node: "Node") -> Block:
        *header, body = [child for child in _nodes(node) if child.data != "new_line_or_comment"]
        words = tuple(_text(word) if word.data == "string" else str(_token(word)) for word in header)
        return Block(words[0], words[1:], self.body(body, _place(header[0])), _place(header[0]))

    def value(self, node: "Node") -> Value:
        position = _place(node)
        if node.data == "unary_op":
            return self._negative(node)
        if node.data != "expr_term" or _is_token(node.children[0]):
            raise _refused(_REFUSED.get(node.data, "parentheses"), position)
        (term,) = _nodes(node)
        match term.data:
            case "literal_value":
                return Scalar({"true": True, "false": False, "null": None}[_token(term)], position)
            case "int_lit" | "float_lit":
                return Scalar(_number(_token(term)), position)
            case "string":
                return Scalar(_text(term), position)
            case "heredoc_template" | "heredoc_template_trim":
                return Scalar(_heredoc(_token(term)), position)
            case "tuple":
                return ListValue(tuple(self.value(child) for child in _values(term)), position)
            case "object":
                return self._map(term)
            case "function_call":
                return self._env(term)
            case "identifier":
                raise Fault(f"this word needs quotes; {ACCEPTED}", position)
            case _:
                raise _refused(_REFUSED.get(term.data, "expressions"), position)

    def _negative(self, node: "Node") -> Scalar:
        (operand,) = _nodes(node)
        number = self.value(operand) if node.children[0] == "-" else None
        if isinstance(number, Scalar) and type(number.value) in (int, float):
            return Scalar(-number.value, _place(node))  # type: ignore[operator]  # checked by type()
        raise _refused("operators", _place(node))

    def _map(self, node: "Node") -> Body:
        attributes: dict[str, Attribute] = {}
        for element in _values(node):
            key, expression = _nodes(element)
            self._add(attributes, Attribute(_key(key), self.value(expression), _place(key)))
        return Body(attributes, (), _place(node))

    def _env(self, node: "Node") -> Scalar:
        position = _place(node)
        name, *rest = _nodes(node)
        if _token(name) != "env" or any(child.data == "identifier" for child in rest):
            raise _refused(f"functions other than env (here {_token(name)})", position)
        arguments = [value for child in rest if child.data == "arguments" for value in _values(child)]
        variable = self.value(arguments[0]) if len(arguments) == 1 else None
        if not isinstance(variable, Scalar) or variable.variable or not isinstance(variable.value, str):
            raise Fault('env takes the name of one environment variable in quotes: env("NAME")', position)
        return Scalar(self._environ.get(variable.value), position, variable.value)


def _nodes(node: "Node") -> "list[Node]":
    return [child for child in node.children if not _is_token(child)]  # type: ignore[misc]  # what is no token is a node


def _values(node: "Node") -> "list[Node]":
    return [child for child in _nodes(node) if child.data != "new_line_or_comment"]


def _is_token(child: object) -> bool:
    return isinstance(child, str)  # lark's Token is a str


def _token(node: "Node") -> "Token":
    (token,) = node.children
    return token  # type: ignore[return-value]  # the grammar says so


def _place(node: "Node") -> Position:
    return Position(node.meta.line, node.meta.column)


def _refused(what: str, position: Position) -> Fault:
    return Fault(f"{what} are not supported; {ACCEPTED}", position)


def _key(node: "Node") -> str:
    (child,) = _nodes(node)
    if child.data == "keyword":
        return str(_token(child))
    if child.data == "expr_term" and not _is_token(child.children[0]):
        (term,) = _nodes(child)
        if term.data in ("identifier", "literal_value"):
            return str(_token(term))
        if term.data == "string":
            return _text(term)
    raise Fault("a key is a name or text in quotes", _place(node))


def _number(token: "Token") -> int | float:
    try:
        number = int(token) if token.type == "INT_LITERAL" else float(token)
    except ValueError:  # hcl2 takes -1-1.5 for a number; Python refuses thousands of digits
        number = float("inf")
    if abs(number) > sys.float_info.max:
        raise Fault("this number is malformed or too large", _position(token))
    return number


def _text(node: "Node") -> str:
    """A quoted string with its escapes decoded."""
    parts = []
    for part in _nodes(node):
        token = _token(part)
        escaped_template = token.type.startswith("ESCAPED_")
        parts.append(_unescape(token, token[1:] if escaped_template else token))
    return "".join(parts)


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def _unescape(token: "Token", text: str) -> str:
    def decode(match: re.Match[str]) -> str:
        letter = match[1]
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        code = int(letter[1:], 16) if len(letter) > 1 else None
        if code is None or code > sys.maxunicode or 0xD800 <= code <= 0xDFFF:
            at = _position(token)
            column = at.column + len(token) - len(text) + match.start()
            known = r"\n, \r, \t, \", \\, \uNNNN and \UNNNNNNNN"
            raise Fault(f"unknown escape {match[0]}; there are {known}", Position(at.line, column))
        return chr(code)

    return _ESCAPE.sub(decode, text)


_HEREDOC_TEMPLATE = re.compile(r"([$%])(?:\1\{|\{)")


def _heredoc(token: "Token") -> str:
    """The lines between the marks; `<<-` takes away the indentation that all of them have."""
    _, *lines = token.replace("\r\n", "\n").removesuffix("\n").split("\n")
    lines.pop()  # the end mark
    start = _position(token)
    for number, line in enumerate(lines, start.line + 1):
        for match in _HEREDOC_TEMPLATE.finditer(line):
            if len(match[0]) == 2:
                raise _template(match[0], Position(number, match.start() + 1))
    if token.startswith("<<-"):
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        lines = [line[indent:] for line in lines]
    return "".join(_HEREDOC_TEMPLATE.sub(lambda match: match[0][1:], line) + "\n" for line in lines)
