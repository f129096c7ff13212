"""SecurityProvider: what leaves a tool or the model is cleaned of secrets before anybody sees it."""

from typing import Protocol, runtime_checkable

__all__ = ["SecurityProvider"]


@runtime_checkable
class SecurityProvider(Protocol):
    """Redacts secrets and personal data.

    Contract: methods are quick, pure with regard to their text, may be called from several threads at once, and may
    raise: then the kernel withholds the text and says so.
    """

    def taint_input(self, text: str) -> None:
        """Notes what is sensitive in the person's prompt; the default notes nothing."""
        return  # a body, so that implementations may leave it out

    def sanitize_output(self, text: str) -> str:
        """The text with everything sensitive replaced by a label such as "[REDACTED:SSN]".

        Contract: applying it twice changes nothing more.
        """
        ...

    def safe_length(self, text: str) -> int:
        """How many leading characters of streamed *text* can be sanitised and shown now.

        Contract: whatever follows, sanitising the head and the rest separately gives the same as sanitising the
        whole. The default waits for the end of the text.
        """
        return 0

    def wipe(self) -> None:
        """Forgets everything noted."""
        return  # a body, so that implementations may leave it out
