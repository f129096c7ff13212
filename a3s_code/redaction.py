"""Cleaning: what a tool or the model says passes the security provider, and what cannot be cleaned is withheld."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from a3s_code.logs import get_log
from a3s_code.messages import Json, JsonObject, valid_text
from a3s_code.points.security import SecurityProvider
from a3s_code.threads import in_thread

__all__ = ["Cleaner", "DeltaCleaner", "GetProvider"]

GetProvider = Callable[[], Awaitable[SecurityProvider]]

DEADLINE_S = 10.0
WITHHELD = "[withheld: the security provider {reason}; see the log]"


class Cleaner:
    """Sanitises texts with the session's security provider; decides here, once, what its failures mean.

    Args:
        provider: Gives the provider; may raise when it cannot be opened.
        deadline_s: Seconds that a text may take, or all texts of one value.
    """

    def __init__(self, provider: GetProvider, deadline_s: float = DEADLINE_S):
        self._provider = provider
        self._deadline_s = deadline_s

    async def clean(self, text: str) -> str:
        """The sanitised text, always valid, or a note that it is withheld when the provider fails in any way."""
        return (await self._clean_all([text]))[0] if text else text

    async def clean_json(self, value: JsonObject) -> JsonObject:
        """The same value with each of its texts sanitised, all in one go."""
        cleaned = iter(await self._clean_all([text for text in _texts(value) if text]))
        return {key: _replaced(one, cleaned) for key, one in value.items()}

    async def taint(self, text: str) -> None:
        """Tells the provider what the person wrote; its failure is logged and costs nothing."""
        try:
            provider = await self._provider()
            await in_thread(provider.taint_input, text, timeout_s=self._deadline_s)
        except (Exception, SystemExit) as error:  # noqa: BLE001 # noting is not gating
            get_log().warning("the security provider could not note the prompt", error=type(error).__name__)

    async def clean_head(self, text: str) -> tuple[str, str]:
        """Of a streamed text: what can be shown now, sanitised, and the rest; nothing is shown when in doubt."""
        try:
            provider = await self._provider()
            answer: object = await in_thread(_clean_head, provider, text, timeout_s=self._deadline_s)
        except (Exception, SystemExit):  # noqa: BLE001 # the text is then judged whole, at its end
            return "", text
        match answer:
            case (str(head), str(rest)):
                return head, rest
            case _:
                return "", text

    async def _clean_all(self, texts: Sequence[str]) -> list[str]:
        if not texts:
            return []
        try:
            provider = await self._provider()
            answers = await in_thread(_sanitized, provider, texts, timeout_s=self._deadline_s)
        except TimeoutError:
            return [self._withheld("did not answer in time")] * len(texts)
        except (Exception, SystemExit) as error:  # noqa: BLE001 # a plugin may raise anything; nothing unclean passes
            return [self._withheld(f"failed ({type(error).__name__})")] * len(texts)
        return [self._judged(answer) for answer in answers]

    def _judged(self, answer: object) -> str:
        match answer:
            case str():
                return valid_text(answer)
            case BaseException():
                return self._withheld(f"failed ({type(answer).__name__})")
            case _:
                return self._withheld(f"answered {type(answer).__name__} instead of text")

    @staticmethod
    def _withheld(reason: str) -> str:
        get_log().error("output withheld", reason=reason)
        return WITHHELD.format(reason=reason)


class DeltaCleaner:
    """Cleans a text that arrives in pieces, so that a secret split over two pieces is found too.

    Args:
        cleaner: Does the cleaning.
        show: Gets each clean piece.
    """

    def __init__(self, cleaner: Cleaner, show: Callable[[str], None]):
        self._cleaner = cleaner
        self._show = show
        self._pending = ""
        self._ask_at = 0

    async def feed(self, piece: str) -> None:
        """Takes a piece and shows what can be shown by now."""
        self._pending += piece
        if len(self._pending) < self._ask_at and piece.isalnum():
            return  # a long word goes on: asking at each piece would look at all of it each time
        head, self._pending = await self._cleaner.clean_head(self._pending)
        self._ask_at = len(self._pending) * 5 // 4
        if head:
            self._show(head)

    async def end(self) -> None:
        """Shows the rest."""
        rest, self._pending = self._pending, ""
        if rest:
            self._show(await self._cleaner.clean(rest))

    def drop(self) -> None:
        """Forgets what was not shown."""
        self._pending = ""


def _sanitized(provider: SecurityProvider, texts: Sequence[str]) -> list[object]:
    """What the provider makes of each text, or what it raises."""
    answers: list[object] = []
    for text in texts:
        try:
            answers.append(provider.sanitize_output(text))
        except (Exception, SystemExit) as error:  # noqa: BLE001 # foreign code; the other texts are judged all the same
            answers.append(error)
    return answers


def _texts(value: Json | JsonObject) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | Mapping):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)


def _replaced(value: Json, texts: Iterator[str]) -> Json:
    """*value* with its texts, in the order of `_texts`, but for empty ones."""
    if isinstance(value, str):
        return next(texts) if value else value
    if isinstance(value, list):
        return [_replaced(one, texts) for one in value]
    if isinstance(value, Mapping):
        return {key: _replaced(one, texts) for key, one in value.items()}
    return value


def _clean_head(provider: SecurityProvider, text: str) -> tuple[str, str]:
    length = provider.safe_length(text)
    if not isinstance(length, int) or not 0 < length <= len(text):
        return "", text
    return provider.sanitize_output(text[:length]), text[length:]
