"""Security providers for tests: one that hides nothing, one that hides given words."""

import re

from a3s_code.plugin import SecurityProvider

__all__ = ["PlainSecurityProvider", "WordSecurityProvider"]


class PlainSecurityProvider(SecurityProvider):
    """Hides nothing."""

    def sanitize_output(self, text: str) -> str:
        return text

    def safe_length(self, text: str) -> int:
        return len(text)


class WordSecurityProvider(SecurityProvider):
    """Replaces each of the given words by "[REDACTED]", and what the person's prompt says after "secret:" too."""

    LABEL = "[REDACTED]"

    def __init__(self, *words: str):
        for word in words:
            _check(word)
        self._words = words
        self._noted: set[str] = set()

    def taint_input(self, text: str) -> None:
        self._noted.update(word for word in re.findall(r"secret:(\w+)", text) if word not in self.LABEL)

    def sanitize_output(self, text: str) -> str:
        words = self._all()
        return re.sub("|".join(re.escape(word) for word in words), self.LABEL, text) if words else text

    def safe_length(self, text: str) -> int:
        """The longest head at whose end no word can be under way, whatever follows."""
        words = self._all()
        return next(end for end in range(len(text), -1, -1) if not any(_straddles(word, text, end) for word in words))

    def wipe(self) -> None:
        self._noted.clear()

    def _all(self) -> list[str]:
        return sorted({*self._words, *self._noted}, key=len, reverse=True)


def _check(word: str) -> None:
    if not word or "[" in word or "]" in word or word in WordSecurityProvider.LABEL:
        raise ValueError(f"{word!r} cannot be hidden: it is empty or would match the label itself")


def _straddles(word: str, text: str, end: int) -> bool:
    """Whether *word* could begin before *end* and go on after it."""
    return any(word.startswith(text[start : start + len(word)]) for start in range(max(0, end - len(word) + 1), end))
