"""`a3s-code plugins`: what is installed, what is used, and whether it works."""

import importlib.util
import subprocess
import sys

from a3s_code.cli.arguments import ExitCode, Options, UsageError
from a3s_code.cli.layout import table
from a3s_code.cli.setup import Found, load_if_possible
from a3s_code.cli.states import missing, state
from a3s_code.hookspecs import POINTS
from a3s_code.plugins import Catalogue, Offer, Selection, scan

__all__ = ["run"]


def run(options: Options) -> int:
    match options.action:
        case "doctor":
            from a3s_code.cli.doctor import doctor

            return doctor(load_if_possible(options))
        case "show":
            from a3s_code.cli.doctor import show

            return show(pick(scan(), options.name), load_if_possible(options))
        case "check":
            return _check(pick(scan(), options.name))
        case "use":
            from a3s_code.cli.choice import use

            return use(options)
        case _:
            return _list(load_if_possible(options))


def _list(found: Found) -> int:
    if found.error is not None:
        print(f"a3s-code: the configuration is left out here: {found.error}", file=sys.stderr)
    catalogue = scan()
    selection = Selection.of(found.config, catalogue)
    rows = [
        (offer.group, offer.name, str(offer.origin), state(offer, selection, found).text)
        for offer in catalogue.offers
        if offer.group != "exports"
    ]
    print(table(("point", "name", "distribution", "state"), rows))
    for text in missing(selection, found):
        print(f"MISSING  {text}")
    return ExitCode.OK


def pick(catalogue: Catalogue, name: str) -> Offer:
    """The offer called *name*, or with the id *name*.

    Raises:
        UsageError: There is none, or there are several.
    """
    offers = [offer for offer in catalogue.offers if offer.group != "exports" and name in (offer.name, offer.id)]
    if not offers:
        raise UsageError(f'no plugin is called "{name}"; `a3s-code plugins list` shows all')
    if len(offers) > 1:
        ids = sorted({offer.id for offer in offers})
        if len(ids) == 1:
            raise UsageError(f"{ids[0]} is offered by {' and '.join(str(offer.origin) for offer in offers)}")
        raise UsageError(f'"{name}" is the name of several plugins; say which: {", ".join(ids)}')
    return offers[0]


def _check(offer: Offer) -> int:
    """Runs the contract suite of the offer's point, which shows its own report."""
    if offer.group not in POINTS:
        raise UsageError(f"{offer.id} fills no extension point; there is no contract to check")
    if importlib.util.find_spec("a3s_code_testing") is None:
        raise UsageError("contract suites are in a distribution of their own: pip install a3s-code-testing")
    command = [sys.executable, "-m", "a3s_code_testing", offer.group, offer.name]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    if done.returncode == ExitCode.USAGE:  # of its argument parser, which knows the points
        raise UsageError(
            f"{offer.id} cannot be checked by its name alone. Inherit the suite of the point in a test, "
            "which gives it what it needs; the README of a3s-code-testing lists them"
        )
    sys.stderr.write(done.stderr)
    return ExitCode.OK if done.returncode == 0 else ExitCode.FAILED
