"""Tricky diffs, one by one: what each makes of the files, or why it is refused; a refused one changes nothing."""

import base64
import hashlib
import zlib

import pytest
from a3s_code_tools.edits.patch import apply, parse
from a3s_code_tools.edits.text import EditError

Files = dict[str, bytes]

ABC = b"a\nb\nc\n"
TWINS = b"def f():\n    return 1\n\ndef g():\n    return 1\n"
B_TO_X = "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"


def literal(content: bytes) -> str:
    """As git writes a short binary file."""
    packed = base64.b85encode(zlib.compress(content), pad=True).decode()
    size = len(zlib.compress(content))
    assert size <= 26
    return f"literal {len(content)}\n{chr(ord('A') + size - 1)}{packed}\n"


CONTENT = b"\x89\0\xff"
BLOB = hashlib.sha1(b"blob 3\0" + CONTENT).hexdigest()
PNG = (
    f"diff --git a/i.png b/i.png\nnew file mode 100644\nindex {'0' * 40}..{BLOB}\nGIT binary patch\n"
    f"{literal(CONTENT)}\nliteral 0\nHcmV?d00001\n\n"
)


def case(
    name: str, files: Files, diff: str, expected: dict[str, bytes | None] | str, path: str | None = None
) -> object:
    return pytest.param(files, diff, expected, path, id=name)


APPLIED = [
    case("git prefixes", {"d/f": ABC}, f"--- a/d/f\n+++ b/d/f\n{B_TO_X}", {"d/f": b"a\nx\nc\n"}),
    case("no prefixes", {"d/f": ABC}, f"--- d/f\n+++ d/f\n{B_TO_X}", {"d/f": b"a\nx\nc\n"}),
    case("only the old name has a prefix", {"f": ABC}, f"--- a/f\n+++ f\n{B_TO_X}", {"f": b"a\nx\nc\n"}),
    case("a folder called a", {"a/f": ABC}, f"diff --git a/f a/f\n--- a/f\n+++ a/f\n{B_TO_X}", {"a/f": b"a\nx\nc\n"}),
    case(
        "mnemonic prefixes",
        {"f": ABC},
        f"diff --git i/f w/f\nindex 1..2 100644\n--- i/f\n+++ w/f\n{B_TO_X}",
        {"f": b"a\nx\nc\n"},
    ),
    case(
        "time stamps",
        {"f": ABC},
        f"--- f\t2024-01-02 03:04:05.0 +0100\n+++ f 2024-01-02 03:04:05\n{B_TO_X}",
        {"f": b"a\nx\nc\n"},
    ),
    case("backup name", {"f": ABC}, f"--- f.orig\n+++ f\n{B_TO_X}", {"f": b"a\nx\nc\n"}),
    case(
        "quoted name",
        {"ä b.txt": ABC},
        f'--- "a/\\303\\244 b.txt"\n+++ "b/\\303\\244 b.txt"\n{B_TO_X}',
        {"ä b.txt": b"a\nx\nc\n"},
    ),
    case("name with a blank", {"x y": ABC}, f"--- a/x y\t\n+++ b/x y\t\n{B_TO_X}", {"x y": b"a\nx\nc\n"}),
    case("no header", {"f": ABC}, B_TO_X, {"f": b"a\nx\nc\n"}, "f"),
    case("file_path is preferred", {"f": ABC}, f"--- a/g\n+++ b/g\n{B_TO_X}", {"f": b"a\nx\nc\n"}, "f"),
    case("fence and prose", {"f": ABC}, f"So:\n```diff\n--- a/f\n+++ b/f\n{B_TO_X}```\nDone.\n", {"f": b"a\nx\nc\n"}),
    case("wrong counts", {"f": ABC}, "--- f\n+++ f\n@@ -1,9 +1,7 @@\n a\n-b\n+x\n", {"f": b"a\nx\nc\n"}),
    case(
        "wrong counts before the next file",
        {"f": ABC, "g": ABC},
        f"--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n a\n-b\n+y\n c\n--- a/g\n+++ b/g\n{B_TO_X}",
        {"f": b"a\ny\nc\n", "g": b"a\nx\nc\n"},
    ),
    case(
        "a comment in SQL before a hunk, wrong counts",
        {"f": b"a\n-- b\nc\nd\n"},
        "--- f\n+++ f\n@@ -1,9 +1,9 @@\n a\n--- b\n@@ -4 +3 @@\n-d\n+e\n",
        {"f": b"a\nc\ne\n"},
    ),
    case("bare @@", {"f": ABC}, "--- f\n+++ f\n@@\n-b\n+x\n@@ ... @@\n-c\n+z\n", {"f": b"a\nx\nz\n"}),
    case("wrong line", {"f": b"0\n" * 30 + ABC}, f"--- f\n+++ f\n{B_TO_X}", {"f": b"0\n" * 30 + b"a\nx\nc\n"}),
    case(
        "the stated one of two",
        {"f": TWINS},
        "--- f\n+++ f\n@@ -5 +5 @@\n-    return 1\n+    return 2\n",
        {"f": b"def f():\n    return 1\n\ndef g():\n    return 2\n"},
    ),
    case(
        "lines that look like headers",
        {"f": b"-- a\nb\n"},
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n--- a\n+++ c\n b\n",
        {"f": b"++ c\nb\n"},
    ),
    case(
        "empty context without its blank",
        {"f": b"a\n\nb\n"},
        "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n\n-b\n+x\n",
        {"f": b"a\n\nx\n"},
    ),
    case(
        "context without its trailing blanks",
        {"f": b"a  \nb\t\nc\n"},
        "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n b\n-c\n+x\n",
        {"f": b"a  \nb\t\nx\n"},
    ),
    case("LF patch of a CRLF file", {"f": b"a\r\nb\r\nc\r\n"}, f"--- f\n+++ f\n{B_TO_X}", {"f": b"a\r\nx\r\nc\r\n"}),
    case("CRLF patch of an LF file", {"f": ABC}, f"--- f\n+++ f\n{B_TO_X}".replace("\n", "\r\n"), {"f": b"a\nx\nc\n"}),
    case(
        "CRLF becomes LF", {"f": b"a\r\nb\r\n"}, "--- f\n+++ f\n@@ -1,2 +1,2 @@\n-a\r\n+a\n b\r\n", {"f": b"a\nb\r\n"}
    ),
    case(
        "no final newline, unmarked", {"f": b"a\nb"}, "--- f\n+++ f\n@@ -1,2 +1,3 @@\n a\n b\n+c\n", {"f": b"a\nb\nc"}
    ),
    case(
        "final newline added",
        {"f": b"a\nb"},
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n",
        {"f": b"a\nb\n"},
    ),
    case(
        "final newline taken",
        {"f": b"a\nb\n"},
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n",
        {"f": b"a\nb"},
    ),
    case(
        "mark and Latin-1 stay",
        {"f": b"\xef\xbb\xbfa\nb\n"},
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n-a\n+ä\n b\n",
        {"f": b"\xef\xbb\xbf\xc3\xa4\nb\n"},
    ),
    case(
        "only additions",
        {"f": ABC},
        "--- f\n+++ f\n@@ -0,0 +1 @@\n+0\n@@ -2,0 +4,2 @@\n+x\n+y\n",
        {"f": b"0\na\nb\nx\ny\nc\n"},
    ),
    case(
        "new file",
        {},
        "--- /dev/null\n+++ b/d/f\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n",
        {"d/f": b"a\nb"},
    ),
    case("new file under one name", {}, "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+a\n", {"f": b"a\n"}),
    case("new empty file", {}, "diff --git a/x y b/x y\nnew file mode 100644\nindex 0000000..e69de29\n", {"x y": b""}),
    case("deleted file", {"f": ABC}, "--- a/f\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-a\n-b\n-c\n", {"f": None}),
    case(
        "rename with a change",
        {"f": ABC},
        f"diff --git a/f b/d/g\nsimilarity index 60%\nrename from f\nrename to d/g\n--- a/f\n+++ b/d/g\n{B_TO_X}",
        {"f": None, "d/g": b"a\nx\nc\n"},
    ),
    case("copy", {"f": ABC}, "diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n", {"g": ABC}),
    case(
        "swap",
        {"f": b"1\n", "g": b"2\n"},
        "diff --git a/f b/g\nrename from f\nrename to g\ndiff --git a/g b/f\nrename from g\nrename to f\n",
        {"f": b"2\n", "g": b"1\n"},
    ),
    case("mode", {"f": ABC}, "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n", {"f": ABC}),
    case(
        "two parts of one file",
        {"f": ABC},
        f"--- f\n+++ f\n{B_TO_X}--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-x\n+y\n",
        {"f": b"a\ny\nc\n"},
    ),
    case(
        "a plain file behind a git header",
        {"f": ABC, "h": ABC},
        f"diff --git a/f b/g\nrename from f\nrename to g\n--- a/h\n+++ b/h\n{B_TO_X}",
        {"f": None, "g": ABC, "h": b"a\nx\nc\n"},
    ),
    case(
        "mnemonic prefix of a new file",
        {},
        "diff --git i/w/f w/w/f\nnew file mode 100644\nindex 0..1\n--- /dev/null\n+++ w/w/f\n@@ -0,0 +1 @@\n+a\n",
        {"w/f": b"a\n"},
    ),
    case(
        "git diff of CRLF for an LF file",
        {"f": ABC},
        "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\r\n-b\r\n+x\r\n c\r\n",
        {"f": b"a\nx\nc\n"},
    ),
    case(
        "the last line of a CRLF file",
        {"f": b"a\r\nb"},
        "--- a/f\n+++ b/f\n@@ -2 +2,2 @@\n-b\n\\ No newline at end of file\n+x\n+y\n",
        {"f": b"a\r\nx\r\ny\r\n"},
    ),
    case(
        "marked, but the file has the newline",
        {"f": ABC},
        "--- a/f\n+++ b/f\n@@ -3 +3 @@\n-c\n\\ No newline at end of file\n+x\n\\ No newline at end of file\n",
        {"f": b"a\nb\nx\n"},
    ),
    case(
        "git diff -R",
        {"f": ABC, "g": b"a\n"},
        f"diff --git b/f a/f\nindex 1..2 100644\n--- b/f\n+++ a/f\n{B_TO_X}"
        "diff --git b/g a/g\ndeleted file mode 100644\nindex 1..0\n--- b/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        {"f": b"a\nx\nc\n", "g": None},
    ),
    case(
        "format-patch",
        {"f": ABC},
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nSubject: x\n\n---\n f | 2 +-\n\n"
        f"diff --git a/f b/f\n--- a/f\n+++ b/f\n{B_TO_X}-- \n2.39.5\n\n",
        {"f": b"a\nx\nc\n"},
    ),
    case("binary", {}, PNG, {"i.png": CONTENT}),
    case(
        "envelope",
        {"f": TWINS, "old": ABC, "gone": ABC},
        "*** Begin Patch\n*** Update File: f\n@@ def g():\n-    return 1\n+    return 2\n*** Update File: old\n"
        "*** Move to: d/new\n@@\n-b\n+x\n*** Add File: n\n+1\n+\n+2\n*** Delete File: gone\n*** End Patch\n",
        {
            "f": b"def f():\n    return 1\n\ndef g():\n    return 2\n",
            "old": None,
            "d/new": b"a\nx\nc\n",
            "n": b"1\n\n2\n",
            "gone": None,
        },
    ),
    case(
        "envelope below two anchors",
        {"f": b"class A:\n  def f():\n    1\nclass B:\n  def f():\n    1\n"},
        "*** Begin Patch\n*** Update File: f\n@@ class B\n@@ def f\n-    1\n+    2\n*** End Patch",
        {"f": b"class A:\n  def f():\n    1\nclass B:\n  def f():\n    2\n"},
    ),
    case(
        "envelope below an anchor whose block ends",
        {"f": b"  A:\n   1\nB:\n   1\n   2\n   3\n"},
        "*** Begin Patch\n*** Update File: f\n@@ A:\n-   1\n+   x\n*** End Patch",
        {"f": b"  A:\n   x\nB:\n   1\n   2\n   3\n"},
    ),
    case(
        "two envelopes",
        {"f": ABC, "g": ABC},
        "*** Begin Patch\n*** Update File: f\n@@\n-b\n+x\n*** End Patch\nAnd:\n"
        "*** Begin Patch\n*** Update File: g\n@@\n-b\n+y\n*** End Patch\nDone.\n",
        {"f": b"a\nx\nc\n", "g": b"a\ny\nc\n"},
    ),
    case(
        "prose with bullets",
        {"f": ABC},
        f"- I do this:\n\n--- f\n+++ f\n{B_TO_X}Done.\n\n- b\n",
        {"f": b"a\nx\nc\n"},
    ),
    case(
        "envelope at the end",
        {"f": b"x\ny\nx\n"},
        "*** Begin Patch\n*** Update File: f\n@@\n-x\n+z\n*** End of File\n*** End Patch\n",
        {"f": b"x\ny\nz\n"},
    ),
    case(
        "envelope that only adds",
        {"f": ABC},
        "*** Begin Patch\n*** Update File: f\n@@ a\n+1\n@@\n+2\n*** End of File\n*** End Patch\n",
        {"f": b"a\n1\nb\nc\n2\n"},
    ),
    case(
        "envelope in a heredoc",
        {"f": ABC},
        "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: f\n a\n-b\n+x\n*** End Patch\nEOF\n",
        {"f": b"a\nx\nc\n"},
    ),
]


@pytest.mark.parametrize(("files", "diff", "expected", "path"), APPLIED)
def test_a_diff_does_what_it_says_and_its_reverse_undoes_it(
    files: Files, diff: str, expected: dict[str, bytes | None], path: str | None
):
    changes = apply(parse(diff, path), files.get)
    assert {change.path: change.after for change in changes.files} == expected
    now = {**files, **expected}
    back = {change.path: change.after for change in apply(changes.reverse, now.get).files}
    assert back == {name: files.get(name) for name in expected}


REFUSED = [
    case("stale", {"f": b"a\nB\nc\n"}, f"--- f\n+++ f\n{B_TO_X}", "not_found: hunk 1 of f (line 3 of the diff)"),
    case(
        "two hunks are stale",
        {"f": ABC},
        "--- f\n+++ f\n@@ -1 +1 @@\n-z\n+y\n@@\n-b\n+B\n@@\n-q\n+y\n",
        "not_found: hunk 3 of f",
    ),
    case(
        "the second is stale",
        {"f": ABC, "g": b"1\n"},
        f"--- f\n+++ f\n{B_TO_X}--- g\n+++ g\n{B_TO_X}",
        "not_found: hunk 1 of g (line 10 of the diff)",
    ),
    case("applied already", {"f": b"a\nx\nc\n"}, f"--- f\n+++ f\n{B_TO_X}", "not_found: applied already (line 1)"),
    case(
        "ambiguous",
        {"f": TWINS},
        "--- f\n+++ f\n@@\n-    return 1\n+    return 2\n",
        "invalid_argument: fits at 2 places (lines 2, 5)",
    ),
    case(
        "overlap",
        {"f": ABC},
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n+x\n@@ -2,2 +2,2 @@\n-b\n+y\n c\n",
        "invalid_argument: hunks 1 and 2 of f overlap at line 2",
    ),
    case("behind the end", {"f": ABC}, "--- f\n+++ f\n@@ -9,0 +10 @@\n+x\n", "not_found: after line 9"),
    case("nowhere to add", {"f": ABC}, "--- f\n+++ f\n@@\n+x\n", "invalid_argument: only adds lines"),
    case("no such file", {}, f"--- a/f\n+++ b/f\n{B_TO_X}", "not_found: f does not exist"),
    case(
        "new file exists",
        {"f": ABC},
        "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n",
        "version_conflict: f exists already",
    ),
    case(
        "target exists",
        {"f": ABC, "g": ABC},
        "diff --git a/f b/g\nrename from f\nrename to g\n",
        "version_conflict: g exists already",
    ),
    case(
        "deletion leaves lines",
        {"f": b"a\nb\n"},
        "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        "not_found: would be left",
    ),
    case("two names", {"f": ABC}, f"--- a/f\n+++ b/g\n{B_TO_X}", "invalid_argument: names two files, f and g"),
    case("no name", {"f": ABC}, B_TO_X, "invalid_argument: names no file"),
    case("no hunk", {"f": ABC}, "please fix it", "invalid_argument: no hunk"),
    case("change outside of hunks", {"f": ABC}, "--- a/f\n+++ b/f\n-b\n+x\n", "invalid_argument: outside of any hunk"),
    case(
        "line without sign",
        {"f": ABC},
        "--- f\n+++ f\n@@ -1,3 +1,3 @@\na\n-b\n+x\n c\n",
        "invalid_argument: line 4 of the diff",
    ),
    case("cut envelope", {"f": ABC}, "*** Begin Patch\n*** Update File: f\n-b\n", "invalid_argument: cut off"),
    case("endless names", {}, f"diff --git {' x' * 10_000}\n", "invalid_argument: cannot be told apart"),
    case(
        "an anchor on too many lines",
        {"f": b"x\n" * 1001 + b"q\n"},
        "*** Begin Patch\n*** Update File: f\n@@ x\n-q\n*** End Patch",
        "invalid_argument: which 1,001 lines begin with",
    ),
    case(
        "second envelope is cut",
        {"f": ABC},
        "*** Begin Patch\n*** Update File: f\n-b\n*** End Patch\n*** Begin Patch\n*** Update File: f\n-c\n",
        "invalid_argument: cut off",
    ),
    case(
        "envelope, then a unified diff",
        {"f": ABC, "g": ABC},
        f"*** Begin Patch\n*** Update File: f\n-b\n*** End Patch\n--- a/g\n+++ b/g\n{B_TO_X}",
        "invalid_argument: must stand between *** Begin Patch and *** End Patch",
    ),
    case(
        "unified diff, then an envelope",
        {"f": ABC, "g": ABC},
        f"--- a/g\n+++ b/g\n{B_TO_X}*** Begin Patch\n*** Update File: f\n@@\n-c\n+C\n*** End Patch\n",
        "invalid_argument: is not of a unified diff",
    ),
    case(
        "a change behind the counted lines",
        {"f": ABC},
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n-a\n+A\n b\nc\n+d\n",
        "invalid_argument: outside of any hunk",
    ),
    case(
        "the other half of a header",
        {"f": ABC, "g": ABC},
        f"--- a/f\n+++ b/f\n{B_TO_X}Next:\n\n--- a/g\n@@ -1 +1 @@\n-a\n+y\n",
        "invalid_argument: is half of a header",
    ),
    case(
        "half a header",
        {"f": ABC, "g": ABC},
        f"--- a/f\n+++ b/f\n{B_TO_X}+++ b/g\n{B_TO_X}",
        "invalid_argument: is half of a header",
    ),
    case(
        "unknown anchor",
        {"f": ABC},
        "*** Begin Patch\n*** Update File: f\n@@ def q\n-b\n+x\n*** End Patch",
        "not_found: no such line",
    ),
    case(
        "link",
        {},
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n",
        "denied: mode 120000",
    ),
    case("set-uid", {"f": ABC}, "diff --git a/f b/f\nold mode 100644\nnew mode 104755\n", "denied: mode 104755"),
    case(
        "binary without content",
        {"f": b"\0"},
        "diff --git a/f b/f\nindex 1..2 100644\nBinary files a/f and b/f differ\n",
        "unsupported: --binary",
    ),
    case("broken binary patch", {}, PNG.replace("literal 3", "literal 4"), "not_found: git does not apply"),
    case("merge diff", {"f": ABC}, "diff --cc f\n--- a/f\n+++ b/f\n@@@ -1,1 -1,1 +1,1 @@@\n", "unsupported: combined"),
    case("binary file", {"f": b"a\0b\nb\n"}, "--- f\n+++ f\n@@\n-b\n+x\n", "unsupported: f: the file is binary"),
    case(
        "not in Latin-1",
        {"f": "grüße é è\nfür\n".encode("latin-1")},
        "--- f\n+++ f\n@@ -2 +2 @@\n-für\n+→\n",
        "invalid_argument: cannot be written in",
    ),
]


@pytest.mark.parametrize(("files", "diff", "expected", "path"), REFUSED)
def test_a_diff_that_does_not_fit_is_refused_with_its_reason(files: Files, diff: str, expected: str, path: str | None):
    kind, _, words = expected.partition(": ")
    with pytest.raises(EditError) as caught:
        apply(parse(diff, path), files.get)
    assert caught.value.kind == kind, caught.value
    assert words in str(caught.value)


def test_the_paths_of_a_patch_are_all_that_it_names():
    diff = f"--- a/f\n+++ b/../g\n{B_TO_X}--- /dev/null\n+++ /etc/x\n@@ -0,0 +1 @@\n+a\n"
    assert parse(diff).paths == ("f", "../g", "/etc/x")


def test_a_reverse_patch_changes_nothing_when_the_file_was_changed_since():
    changes = apply(parse(f"--- f\n+++ f\n{B_TO_X}"), {"f": ABC}.get)
    with pytest.raises(EditError, match="was changed since"):
        apply(changes.reverse, {"f": b"other"}.get)


def test_a_hunk_that_was_not_at_its_line_is_told():
    (change,) = apply(parse(f"--- f\n+++ f\n{B_TO_X}"), {"f": b"0\na\nb  \nc\n"}.get).files
    assert change.notes == ("hunk 1 without regard to trailing blanks, at line 2, not 1",)
