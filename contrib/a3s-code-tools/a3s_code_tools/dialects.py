"""Which form of change is offered to which models; all forms are accepted from all of them."""

import re

__all__ = ["EDIT", "PATCH", "edit_for", "is_patch_family", "patch_for"]

_PATCH_FAMILY = re.compile(r"(?:^|[/.:_-])(?:gpt(?:$|-|\d(?:o|$|[-.]))|chatgpt|codex)|(?:^|[/.:])o\d+(?:$|[-:@])")

_COPY = (
    "Copy old_string exactly, with its indentation and without the line numbers that read shows; it must occur once "
    "unless replace_all is true. Line ends, encoding and everything outside old_string stay as they are."
)

EDIT = f"Replace text in a file of the workspace: the preferred way to change a part of a file. {_COPY}"

PATCH = (
    "Change several files of the workspace at once, all or nothing; for one place in one file use edit. Send a unified "
    "diff (git's too): copy the lines that stay exactly; counts may be wrong, and @@ may stand without numbers if the "
    "lines stand only once. The *** Begin Patch envelope and <<<<<<< SEARCH / ======= / >>>>>>> REPLACE blocks below "
    "the path of their file are accepted too."
)

_EDIT_BESIDE_PATCH = f"Replace text in a file of the workspace, where patch does not suit. {_COPY}"

_PATCH_FIRST = """\
The preferred way to change files of the workspace: add, update, move and delete any number of them, all or nothing.
*** Begin Patch
*** Update File: src/app.py
@@ class App:
     def run(self):
-        start()
+        return start()
*** Add File: notes.md
+first line
*** Delete File: old.txt
*** End Patch
Below @@, which may name a line above the change, each line begins with ' ' (it stays; copied exactly), '-' or '+'. \
Give about three lines that stay around a change, and no line numbers. A line "*** Move to: path" below Update File \
moves the file. Unified diffs are accepted too."""


def is_patch_family(family: str) -> bool:
    """Whether models of *family* were trained on the `*** Begin Patch` envelope: GPT, the o models and Codex.

    Args:
        family: In lower case; a family, or the id of a model with or without a provider before it.
    """
    return _PATCH_FAMILY.search(family) is not None


def edit_for(family: str) -> str:
    """How the edit tool is described to models of *family*."""
    return _EDIT_BESIDE_PATCH if is_patch_family(family) else EDIT


def patch_for(family: str) -> str:
    """How the patch tool is described to models of *family*."""
    return _PATCH_FIRST if is_patch_family(family) else PATCH
