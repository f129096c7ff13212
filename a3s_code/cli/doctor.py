"""`plugins doctor` and `plugins show`: each plugin is loaded in a process of its own, so that none can break them."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from attrs import field, frozen

from a3s_code.cli.arguments import ExitCode
from a3s_code.cli.layout import table
from a3s_code.cli.setup import Found
from a3s_code.cli.states import State, missing, state
from a3s_code.messages import JsonObject
from a3s_code.plugins import Offer, Selection, scan

__all__ = ["Report", "ask_child", "doctor", "show"]

DEADLINE_S = 10.0
"""How long a plugin may take to load and open."""


@frozen
class Report:
    """What a child said about one plugin, or what became of the child.

    Args:
        status: "ok", "unconfigured" (it needs settings) or "failed".
        text: Why it is not ok, with the cure.
        facts: What `describe` found.
    """

    status: str
    text: str = ""
    facts: JsonObject = field(factory=dict)


def doctor(found: Found) -> int:
    """Loads and opens every plugin; FAILED when one that is used is broken."""
    catalogue = scan()
    selection = Selection.of(found.config, catalogue)
    offers = [offer for offer in catalogue.offers if offer.group != "exports"]
    states = [state(offer, selection, found) for offer in offers]
    clashing = {id for group in catalogue.clashes() for id in {offer.id for offer in group}}
    problems = [f"configuration: {found.error}"] if found.error is not None else []
    problems += missing(selection, found)

    def examine(offer: Offer) -> Report:
        if offer.id in clashing:
            others = " and ".join(str(other.origin) for other in offers if other.id == offer.id)
            return Report("failed", f"offered by {others}; uninstall one of them")
        return ask_child("open", offer, found)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for offer, how, report in zip(offers, states, pool.map(examine, offers), strict=True):
            _print(offer, how, report)
            if how.is_used and report.status != "ok":
                problems.append(f"{offer.id} is used and does not work")
    for problem in problems:
        print(f"PROBLEM  {problem}")
    print("all that is used works" if not problems else f"{len(problems)} problem(s)")
    return ExitCode.FAILED if problems else ExitCode.OK


def _print(offer: Offer, how: State, report: Report) -> None:
    word = {"ok": "ok", "unconfigured": "-" if not how.is_used else "FAILED"}.get(report.status, "FAILED")
    note = "" if how.is_used else "  (not used)"
    print(f"{word:7} {offer.id}  {offer.origin}{note}")
    if report.status != "ok":
        print("        " + report.text.replace("\n", "\n        "), flush=True)


def show(offer: Offer, found: Found) -> int:
    """Everything about one plugin."""
    selection = Selection.of(found.config, scan())
    print(table(("point", offer.group), _facts(offer, state(offer, selection, found).text)))
    report = ask_child("describe", offer, found)
    if report.status != "ok":
        print(f"\nit cannot be loaded: {report.text}")
        return ExitCode.FAILED
    parameters = report.facts.get("parameters")
    assert isinstance(parameters, list)
    if parameters:
        print(f"depends on    {', '.join(map(str, parameters))}")
    settings = report.facts.get("settings")
    if isinstance(settings, list) and settings:
        print(f'\nsettings, in plugin "{offer.group}" "{offer.name}" {{ }}:')
        rows = [[str(cell) for cell in row] for row in settings if isinstance(row, list)]
        print(table(("setting", "default", ""), rows))
    return ExitCode.OK


def _facts(offer: Offer, how: str) -> list[tuple[str, str]]:
    return [
        ("name", offer.name),
        ("distribution", offer.origin.distribution or "-"),
        ("version", offer.origin.version or "-"),
        ("target", offer.origin.target),
        ("state", how),
    ]


def ask_child(action: str, offer: Offer, found: Found) -> Report:
    """What a child process finds out about *offer*; never raises for what the plugin does.

    Args:
        action: "open" or "describe".
        offer: The plugin.
        found: The configuration; the child reads the same file.
    """
    path = str(found.loaded.path) if found.loaded is not None and found.loaded.path is not None else ""
    command = [sys.executable, "-m", "a3s_code.cli.doctor_child", action, offer.id, path]
    answer, child_end = os.pipe()
    with subprocess.Popen(
        [*command, str(child_end)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a plugin may print at import
        stderr=subprocess.DEVNULL,
        pass_fds=(child_end,),
        start_new_session=True,
    ) as child:
        os.close(child_end)
        try:
            child.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            return Report("failed", f"it did not load and open within {DEADLINE_S:.0f} s; {_cure(offer)}")
        finally:
            _kill_group(child.pid)  # also what the plugin started
            os.set_blocking(answer, False)
            said = _read(answer)
            os.close(answer)
        code = child.returncode
    return _report(said) or Report("failed", f"{_end(code)} while it was loaded; {_cure(offer)}")


def _report(said: bytes) -> Report | None:
    try:
        return Report(**json.loads(said))
    except (ValueError, TypeError):
        return None


def _read(descriptor: int) -> bytes:
    pieces = []
    try:
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
    except BlockingIOError:  # something that outlived the child still holds the other end
        pass
    return b"".join(pieces)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):  # all have ended
        os.killpg(pid, signal.SIGKILL)


def _end(code: int) -> str:
    return f"the process died of {signal.Signals(-code).name}" if code < 0 else f"the process ended with code {code}"


def _cure(offer: Offer) -> str:
    return f'reinstall or upgrade {offer.origin.distribution}, or disable it: plugins {{ disabled = ["{offer.id}"] }}'
