"""The edit engine: changes to text files that leave every other byte as it was. It knows nothing of agents."""

from a3s_code_tools.edits.replace import TIERS, Edit, replace
from a3s_code_tools.edits.text import EditError, Span, TextFile

__all__ = ["TIERS", "Edit", "EditError", "Span", "TextFile", "replace"]
