"""DefaultSecurityProvider: secrets and personal data are replaced by labels before anybody sees them."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from threading import Lock

from a3s_code.plugin import PluginError
from a3s_code_guard.plugin import CustomPattern
from a3s_code_guard.secrets import FINDERS, MULTI_WORD, Finder, Span, private_keys, unfinished_key

__all__ = ["DefaultSecurityProvider", "OpenSecurityProvider"]

_LABEL = re.compile(r"\[REDACTED:[A-Z0-9_]+\]")
_MOST_PASSES = 8  # a replacement can uncover one more secret beside it; real texts need two passes


class DefaultSecurityProvider:
    """Replaces secrets and personal data by labels such as "[REDACTED:SSN]".

    Args:
        custom_patterns: Further patterns; they count as more specific than the built-in ones.

    Raises:
        PluginError: A custom pattern is no regular expression or its label is no word.
    """

    def __init__(self, custom_patterns: Sequence[CustomPattern] = ()) -> None:
        self._has_custom = bool(custom_patterns)
        self._finders = (*map(_custom_finder, custom_patterns), *FINDERS)
        self._tainted: set[str] = set()
        self._lock = Lock()

    @property
    def tainted(self) -> frozenset[str]:
        """What was found in prompts, as "name:sha256 of the value"; the values themselves are not kept."""
        with self._lock:
            return frozenset(self._tainted)

    def taint_input(self, text: str) -> None:
        lowered = text.lower()
        found = {
            f"{finder.name}:{sha256(text[span.start : span.end].encode(errors='surrogatepass')).hexdigest()}"
            for finder in self._finders
            for span in finder.spans(text, lowered)
        }
        with self._lock:
            self._tainted |= found

    def sanitize_output(self, text: str) -> str:
        for _ in range(_MOST_PASSES):
            lowered = text.lower()
            spans = [span for finder in self._finders for span in finder.spans(text, lowered)]
            cleaned = _replace(text, spans)
            if cleaned == text:
                break
            text = cleaned
        return text

    def safe_length(self, text: str) -> int:
        """Up to the last line, or the last word when nothing in that line can go on past a blank."""
        cut = _line_start(text, len(text))
        if not self._has_custom:
            cut = _last_safe_blank(text, cut)
        key = unfinished_key(text)
        if key is not None:
            cut = min(cut, _line_start(text, key))
        for start, end in reversed([*private_keys(text)]):
            if start < cut < end:
                cut = _line_start(text, start)
        return cut

    def wipe(self) -> None:
        with self._lock:
            self._tainted.clear()


class OpenSecurityProvider:
    """Changes nothing: for `plugins { security_provider = "none" }`."""

    def taint_input(self, text: str) -> None:
        return

    def sanitize_output(self, text: str) -> str:
        return text

    def safe_length(self, text: str) -> int:
        return len(text)

    def wipe(self) -> None:
        return


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _last_safe_blank(text: str, line: int) -> int:
    """Behind the last blank of the unfinished line that starts at *line*, else *line*."""
    blank = text.rfind(" ", line)
    while blank > line and (text[blank - 1].isdigit() or text[blank - 1] == " "):  # maybe half a card number
        blank = text.rfind(" ", line, blank)
    if blank <= line or MULTI_WORD.search(text, line, blank):
        return line
    return blank + 1


def _replace(text: str, spans: Iterable[Span]) -> str:
    """The text with each run of overlapping spans replaced by the label of the most specific of them."""
    labels = [match.span() for match in _LABEL.finditer(text)]
    pieces: list[str] = []
    done = 0
    for span in _merge(_without(spans, labels)):
        pieces += (text[done : span.start], f"[REDACTED:{span.label}]")
        done = span.end
    pieces.append(text[done:])
    return "".join(pieces)


def _without(spans: Iterable[Span], labels: Sequence[tuple[int, int]]) -> Iterator[tuple[int, Span]]:
    """The parts of the spans outside of labels, each with its rank."""
    ends = [end for _, end in labels]
    for rank, span in enumerate(spans):
        start = span.start
        for at in range(bisect_right(ends, start), len(labels)):
            label_start, label_end = labels[at]
            if label_start >= span.end:
                break
            if start < label_start:
                yield rank, Span(start, label_start, span.label)
            start = label_end
        if start < span.end:
            yield rank, Span(start, span.end, span.label)


def _merge(ranked: Iterable[tuple[int, Span]]) -> Iterator[Span]:
    current: tuple[int, Span] | None = None
    for rank, span in sorted(ranked, key=lambda entry: (entry[1].start, entry[0])):
        if current is None or span.start >= current[1].end:
            if current is not None:
                yield current[1]
            current = rank, span
            continue
        best = min(current[0], rank)
        label = current[1].label if best == current[0] else span.label
        current = best, Span(current[1].start, max(current[1].end, span.end), label)
    if current is not None:
        yield current[1]


def _custom_finder(pattern: CustomPattern) -> Finder:
    place = f'custom pattern "{pattern.name}" of security_provider:default'
    if not re.fullmatch(r"[A-Z0-9_]+", pattern.label):
        raise PluginError(
            f'{place}: label "{pattern.label}" must be capital letters, digits and "_"',
            plugin="security_provider:default",
        )
    try:
        regex = re.compile(pattern.regex)
    except re.error as exc:
        raise PluginError(
            f"{place} is no regular expression: {exc}; correct its `regex`", plugin="security_provider:default"
        ) from exc

    def find(text: str) -> Iterator[tuple[int, int]]:
        offset = 0
        for line in text.split("\n"):
            for match in regex.finditer(line):
                if match.end() > match.start():
                    yield offset + match.start(), offset + match.end()
            offset += len(line) + 1

    return Finder(pattern.name, pattern.label, (), find)
