"""Which words of a command let a known program do more than its name says: run others, or write files.

An allow rule with wildcards covers such words only when it spells them.
"""

import re
from collections.abc import Callable, Sequence
from posixpath import basename

from a3s_code_guard.shell import RUNNERS, SHELLS, word_set

__all__ = ["surprising_words"]

Words = Sequence[str]


def surprising_words(words: Words) -> tuple[str, ...]:
    """The words that an allow rule must spell; empty for an ordinary command."""
    name, rest = basename(words[0]), words[1:]
    if name in RUNNERS or name in SHELLS or name in ("eval", "source", ".", "trap", "alias", "hash", "export"):
        return (words[0], *rest) if rest else ()
    judge = _PROGRAMS.get(name) or _PROGRAMS.get(name.rstrip("0123456789."))
    return tuple(judge(rest)) if judge else ()


def _options(allowed: str) -> Callable[[Words], list[str]]:
    """All options but *allowed* are surprising; an allowed one may carry "=value"."""
    names = frozenset(allowed.split())

    def judge(rest: Words) -> list[str]:
        return [word for word in rest if word.startswith("-") and word.partition("=")[0] not in names]

    return judge


_GIT_COMMANDS = word_set(
    "add annotate apply blame branch cat-file check-ignore checkout cherry cherry-pick clean commit count-objects "
    "describe diff diff-files diff-index diff-tree fetch for-each-ref fsck gc grep help init log ls-files ls-remote "
    "ls-tree merge merge-base mv name-rev notes pull push range-diff reflog remote reset restore rev-list rev-parse "
    "revert rm shortlog show show-branch show-ref stash status switch symbolic-ref tag verify-commit verify-tag "
    "version whatchanged"
)
_GIT_OPTIONS = word_set(
    "--output --open-files-in-pager --ext-diff --textconv --upload-pack --receive-pack --exec --template --config "
    "--config-env --tree-filter --index-filter --msg-filter --extcmd --tool --editor --strategy --gpg-sign --run"
)


_GIT_REMOTE = word_set("fetch ls-remote pull push remote")  # where "ext::..." runs a program


def _git(rest: Words) -> list[str]:
    found = [word for word in rest[:1] if word not in _GIT_COMMANDS and word not in ("--version", "--help")]
    for word in rest[1:]:
        name = word.partition("=")[0]
        abbreviates = name.startswith("--") and len(name) > 2 and any(long.startswith(name) for long in _GIT_OPTIONS)
        if abbreviates or word.startswith("-O") or ("::" in word and rest[0] in _GIT_REMOTE):
            found.append(word)
    return found


def _rg(rest: Words) -> list[str]:
    return [word for word in rest if re.match(r"--pre|--hostname-bin|--search-zip|-[A-Za-z]*z", word)]


_ADDRESS = r"(?:\d+|\$|/(?:[^/\\\n]|\\.)*/)"
_REPLACE = "|".join(rf"s{d}(?:[^{d}\\\n]|\\.)*{d}(?:[^{d}\\\n]|\\.)*{d}[gpiI0-9]*" for d in ("/", r"\|", ",", "#", ":"))
_SED_COMMAND = rf"(?:{_ADDRESS}(?:,{_ADDRESS})?)?[ \t]*!?(?:[pdq=]|{_REPLACE})"
_SED_SCRIPT = re.compile(rf"{_SED_COMMAND}(?:[ \t]*;[ \t]*{_SED_COMMAND})*[ \t]*")


def _sed(rest: Words) -> list[str]:
    scripts = [rest[at + 1] for at, word in enumerate(rest[:-1]) if re.fullmatch(r"-[nErsuz]*e", word)]
    plain = [word for word in rest if not word.startswith("-")]
    options = [
        word for word in rest if word.startswith("-") and not re.fullmatch(r"-[nErsuz]*e?|--(?:quiet|silent)", word)
    ]
    return options + [script for script in scripts or plain[:1] if not _SED_SCRIPT.fullmatch(script)]


def _awk(rest: Words) -> list[str]:
    options = [word for word in rest if word.startswith("-") and not re.fullmatch(r"-[Fv].*", word, re.DOTALL)]
    return options + [word for word in rest if re.search(r"system|getline|close|[|>@]|printf?\s*\(.*\)\s*>", word)]


def _sort(rest: Words) -> list[str]:
    plain = re.compile(
        r"-[bdfghiMnRrVcCmsuz]+|-k[0-9.,A-Za-z]*|-t.?|--(?!output|compress|files0|temporary|random)[a-z]{4,}(?:=.*)?"
    )
    bad = ("--ou", "--co", "--fi", "--te", "--ra")  # options can be abbreviated
    return [w for w in rest if w.startswith("-") and (w.startswith(bad) or not plain.fullmatch(w))]


def _tar(rest: Words) -> list[str]:
    longs = (
        "--list",
        "--extract",
        "--create",
        "--verbose",
        "--file",
        "--gzip",
        "--xz",
        "--bzip2",
        "--exclude",
        "--directory",
    )
    letters = re.compile(r"-?[cxtvzjJfCkpSh]+")
    options = [word for at, word in enumerate(rest) if word.startswith("-") or at == 0]
    bad = [word for word in options if not letters.fullmatch(word) and word.partition("=")[0] not in longs]
    return bad + [word for word in rest if ":" in word]


def _python(rest: Words) -> list[str]:
    return _pytest(rest[2:]) if tuple(rest[:2]) == ("-m", "pytest") else []


def _make(rest: Words) -> list[str]:
    return [w for w in rest if "=" in w or (w.startswith("-") and not re.fullmatch(r"-[ksnBiq]*|-j[0-9]*", w))]


def _npm(rest: Words) -> list[str]:
    own = rest[: list(rest).index("--")] if "--" in rest else rest
    return [word for word in own if word.startswith("-") and word not in ("-s", "--silent", "--if-present")]


def _subscripts(rest: Words) -> list[str]:
    """Builtins evaluate substitutions in subscripts even when they stand in quotes."""
    return [word for word in rest if re.search(r"[`$\[]", word)]


_find = _options(
    "-name -iname -path -ipath -wholename -regex -iregex -type -xtype -maxdepth -mindepth -size -empty -mtime -mmin "
    "-atime -amin -ctime -cmin -newer -not -a -and -o -or -print -print0 -prune -user -group -perm -readable -writable "
    "-executable -links -depth -mount -xdev -follow -L -H -P -true -false -quit -ls -inum -samefile -regextype"
    " -daystart"
)
_pytest = _options(
    "-q -qq -v -vv -vvv -x -s -k -m -l -ra -rs -rA -n --tb --lf --ff --sw --nf --co --collect-only --maxfail "
    "--durations --cov --last-failed --failed-first --exitfirst --verbose --quiet --showlocals --no-header "
    "--no-summary --stepwise --capture --color --strict-markers --strict-config"
)
_go = _options(
    "-v -run -race -short -count -timeout -cover -bench -benchmem -benchtime -failfast -json -parallel -cpu -tags "
    "-list -shuffle -skip -p -trimpath"
)
_PROGRAMS: dict[str, Callable[[Words], list[str]]] = {
    "find": _find,
    "rg": _rg,
    "sed": _sed,
    "gsed": _sed,
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _awk),
    "tar": _tar,
    "sort": _sort,
    "git": _git,
    "go": _go,
    **dict.fromkeys(("npm", "pnpm", "yarn"), _npm),
    **dict.fromkeys(("make", "gmake"), _make),
    **dict.fromkeys(("python", "python3"), _python),
    **dict.fromkeys(("pytest", "py.test"), _pytest),
    **dict.fromkeys(("test", "printf", "read", "unset", "let", "declare", "typeset", "mapfile", "wait"), _subscripts),
}
