"""Which words of a prompt are worth looking for."""

import re

__all__ = ["MAX_TERMS", "terms"]

MAX_TERMS = 32
_MAX_PROMPT_CHARS = 20_000
_WORD = re.compile(r"\w{3,64}")
_PART = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}(?![a-z])|[0-9]{3,}")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")

_STOP_TEXT = """
    about above add after again all also and any are because been before being below between both but can change code
    could did does doing down during each few file files find fix for from function further get give had has have having
    help her here hers him his how into its just let like line lines look make more most need new nor not now off once
    only other our out over own please read same see she should show some such tell than that the their them then there
    these they thing this those through too under until update use used uses using very want was were what when where
    which while who whom why will with work works would write you your
"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())


def terms(prompt: str) -> tuple[str, ...]:
    """The distinct words of *prompt* in lower case, in order: at least three characters, without stop words.

    Names such as `max_tool_rounds` and `ToolCall` give their parts too, scripts without spaces pairs of characters.
    At most `MAX_TERMS`; only the first 20,000 characters of the prompt are looked at.
    """
    prompt = prompt[:_MAX_PROMPT_CHARS]
    found: dict[str, None] = {}
    for word in _WORD.findall(_UNSPACED.sub(" ", prompt)):
        parts = [part.lower() for part in _PART.findall(word) if len(part) >= 3]
        found |= dict.fromkeys(term for term in (word.lower().strip("_"), *parts) if _is_term(term))
    for run in _UNSPACED.findall(prompt):
        found |= dict.fromkeys(run[at : at + 2] for at in range(len(run) - 1))
    return tuple(found)[:MAX_TERMS]


def _is_term(word: str) -> bool:
    return len(word) >= 3 and word not in _STOP_WORDS
