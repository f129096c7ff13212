"""What every SecurityProvider promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from a3s_code.plugin import SecurityProvider

__all__ = ["SecurityProviderContract"]


class SecurityProviderContract:
    """Inherit it and give `security_provider`, and `secret`: something that it hides wherever it stands alone.

    `secret` defaults to an invented US social security number.
    """

    @pytest.fixture
    def security_provider(self) -> SecurityProvider:
        raise NotImplementedError("give a fixture security_provider")

    @pytest.fixture
    def secret(self) -> str:
        return "219-09-9999"

    @pytest.fixture
    def texts(self, secret: str) -> list[str]:
        """Texts with the secret in various places."""
        return [
            "",
            "nothing to hide",
            secret,
            f"it is {secret}.",
            f"{secret} and {secret}\n{secret}",
            f'{{"key": "{secret}"}}\n',
            f"[REDACTED] [REDACTED:SSN] {secret} ]",
            f"é 漢字 😀 {secret} \u2028 {secret[:-1]}",
        ]

    def test_the_secret_is_replaced(self, security_provider: SecurityProvider, texts: list[str], secret: str) -> None:
        """The text comes back with everything sensitive replaced by a label."""
        assert [text for text in texts if secret in security_provider.sanitize_output(text)] == []

    def test_applying_it_twice_changes_nothing_more(
        self, security_provider: SecurityProvider, texts: list[str]
    ) -> None:
        """Applying it twice changes nothing more."""
        once = [security_provider.sanitize_output(text) for text in texts]
        assert [security_provider.sanitize_output(text) for text in once] == once

    def test_the_same_text_gives_the_same_answer(self, security_provider: SecurityProvider, texts: list[str]) -> None:
        """Methods are pure with regard to their text."""
        first = [security_provider.sanitize_output(text) for text in texts]
        assert [security_provider.sanitize_output(text) for text in texts] == first

    def test_several_threads_at_once_get_the_same_answers(
        self, security_provider: SecurityProvider, texts: list[str]
    ) -> None:
        """Methods may be called from several threads at once."""
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(security_provider.sanitize_output, texts * 20))
        assert together == [security_provider.sanitize_output(text) for text in texts * 20]

    def test_the_safe_length_lies_within_the_text(self, security_provider: SecurityProvider, texts: list[str]) -> None:
        """It is a number of leading characters of the text."""
        assert [text for text in texts if not 0 <= security_provider.safe_length(text) <= len(text)] == []

    def test_a_safe_head_can_be_shown_whatever_follows(
        self, security_provider: SecurityProvider, texts: list[str]
    ) -> None:
        """Whatever follows, sanitising the head and the rest separately gives the same as sanitising the whole."""
        clean = security_provider.sanitize_output
        for whole in texts:
            for seen in range(len(whole) + 1):
                end = security_provider.safe_length(whole[:seen])
                assert clean(whole[:end]) + clean(whole[end:]) == clean(whole), (whole[:end], whole[end:])

    def test_wiping_forgets_what_was_noted(self, security_provider: SecurityProvider, secret: str) -> None:
        """`wipe` forgets everything noted."""
        probes = [f"my password is hunter2, my number {secret}", "hunter2", "hello"]
        before = [security_provider.sanitize_output(probe) for probe in probes]
        for probe in probes:
            security_provider.taint_input(probe)
        security_provider.wipe()
        assert [security_provider.sanitize_output(probe) for probe in probes] == before
