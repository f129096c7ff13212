"""Compaction: the pairing of calls and results holds, nothing unseen is lost, nothing gets bigger."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_code.compaction import (
    CLEARED,
    clear_old_tool_output,
    compacted,
    estimate_tokens,
    split_for_summary,
    summary_prompt,
    with_summary,
)
from a3s_code.messages import Image, Message, Reasoning, Role, Text, ToolCall, ToolResult, assistant, user
from a3s_code.points.llm import ToolDefinition

PICTURE = Image("image/png", b"\x89PNG")


def calls(*ids: str) -> Message:
    return assistant("", *(ToolCall(id=id, name="read", arguments={"path": id}) for id in ids))


def results(*ids: str, output: str = "text") -> Message:
    return Message(Role.USER, tuple(ToolResult(call_id=id, name="read", output=output) for id in ids))


def rounds(first: int, count: int, output: str = "text") -> tuple[Message, ...]:
    ids = [f"c{number}" for number in range(first, first + count)]
    return tuple(message for id in ids for message in (calls(id), results(id, output=output)))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Message, ...]:
    """Any history whose calls have their results, perhaps but for the last reply's."""
    messages: list[Message] = []
    number = 0
    for _ in range(draw(st.integers(0, 6))):
        images = [PICTURE] if draw(st.booleans()) else []
        messages.append(user(draw(st.sampled_from(["short", "long " * 100])), *images))
        for _ in range(draw(st.integers(0, 4))):
            ids = [f"c{number + place}" for place in range(draw(st.integers(1, 3)))]
            number += len(ids)
            output = "x" * draw(st.sampled_from([0, 10, 200, 4000]))
            if draw(st.booleans()):
                messages += [calls(*ids), results(*ids, output=output)]
            else:  # a late result
                messages += [
                    calls(*ids),
                    *([results(*ids[1:])] if ids[1:] else []),
                    assistant("hm"),
                    results(ids[0], output=output),
                ]
        if draw(st.booleans()):
            messages.append(assistant("done " * draw(st.integers(1, 50))))
    if draw(st.booleans()):
        messages.append(calls("open"))
    return tuple(messages)


def unpaired(messages: Sequence[Message]) -> tuple[set[str], set[str]]:
    """Calls without a result, and results without a call before them."""
    open_calls: set[str] = set()
    orphans: set[str] = set()
    for message in messages:
        open_calls |= {call.id for call in message.tool_calls}
        answered = {result.call_id for result in message.tool_results}
        orphans |= answered - open_calls
        open_calls -= answered
    return open_calls, orphans


def roles_of(messages: Sequence[Message]) -> list[Role]:
    return [message.role for message in messages]


# estimates


def test_the_estimate_counts_system_prompt_tools_and_every_block():
    tool = ToolDefinition(name="read", description="reads.", schema={})  # 4 + 6 + 2 characters
    message = Message(Role.ASSISTANT, (Text("t" * 4), Reasoning("r" * 4, signature="s" * 4), PICTURE))
    assert estimate_tokens([message], system="y" * 8, tools=[tool]) == 1 + 2 + 1600 + 2 + 3


def test_the_estimate_counts_calls_and_results():
    call = assistant("", ToolCall(id="c", name="read", arguments={"a": "bc"}))  # 4 + 11 characters
    broken = assistant("", ToolCall(id="c", name="read", parse_error="?", raw="{" * 8))
    assert estimate_tokens([call]) == 4
    assert estimate_tokens([broken]) == 3
    assert estimate_tokens([results("a", output="o" * 40)]) == 10


def test_nothing_has_no_tokens():
    assert estimate_tokens(()) == 0


# clearing


def test_old_outputs_are_cleared_and_the_newest_stay():
    messages = (user("go"), *rounds(0, 4, output="x" * 4000))
    cleared = clear_old_tool_output(messages, keep_tokens=2000, min_saving=100)
    assert cleared is not None
    outputs = [result.output for message in cleared for result in message.tool_results]
    assert outputs == [CLEARED, CLEARED, "x" * 4000, "x" * 4000]


def test_what_is_not_cleared_is_the_same_object_so_that_its_wire_form_is_kept():
    messages = (user("go"), *rounds(0, 4, output="x" * 4000))
    cleared = clear_old_tool_output(messages, keep_tokens=2000, min_saving=100)
    assert cleared is not None
    assert [new is old for new, old in zip(cleared, messages, strict=True)] == [
        True, True, False, True, False, True, True, True, True,
    ]  # fmt: skip


def test_nothing_is_cleared_for_a_small_saving():
    messages = (user("go"), *rounds(0, 4, output="x" * 4000))
    assert clear_old_tool_output(messages, keep_tokens=2000, min_saving=2000) is None


def test_by_default_forty_thousand_tokens_stay_and_twenty_thousand_must_be_saved():
    enough = (user("go"), *rounds(0, 7, output="x" * 40_000))
    assert clear_old_tool_output(enough) is not None
    assert clear_old_tool_output(enough[5:]) is None


def test_results_that_the_model_has_not_seen_are_never_cleared():
    messages = (user("go"), calls("a", "b"), results("a", "b", output="x" * 400_000))
    assert clear_old_tool_output(messages, keep_tokens=10, min_saving=1) is None


def test_clearing_twice_does_nothing_more():
    messages = (user("go"), *rounds(0, 4, output="x" * 4000))
    once = clear_old_tool_output(messages, keep_tokens=2000, min_saving=1)
    assert once is not None
    assert clear_old_tool_output(once, keep_tokens=2000, min_saving=1) is None


@given(messages=histories(), keep=st.integers(0, 2000), saving=st.integers(0, 1000))
def test_clearing_only_takes_output_away(messages: tuple[Message, ...], keep: int, saving: int):
    cleared = clear_old_tool_output(messages, keep, saving)
    if cleared is None:
        return
    assert estimate_tokens(cleared) < estimate_tokens(messages)
    assert estimate_tokens(messages) - estimate_tokens(cleared) >= saving - 1
    assert unpaired(cleared) == unpaired(messages)
    assert roles_of(cleared) == roles_of(messages)


# splitting


def test_a_tail_begins_with_a_prompt_and_is_as_long_as_allowed():
    messages = (user("1"), assistant("a" * 400), user("2"), assistant("b" * 400), user("3"))
    assert split_for_summary(messages, keep_tokens=150) == (messages[:2], messages[2:])
    assert split_for_summary(messages, keep_tokens=50) == (messages[:4], messages[4:])


def test_a_history_that_is_small_enough_is_only_split_after_its_first_exchange():
    messages = (user("1"), assistant("a"), user("2"))
    assert split_for_summary(messages, keep_tokens=10_000) == (messages[:2], messages[2:])


def test_a_single_prompt_has_nothing_to_summarise():
    assert split_for_summary((user("1"), assistant("a" * 9000)), keep_tokens=1) is None
    assert split_for_summary((), keep_tokens=1) is None


def test_a_long_run_keeps_its_newest_rounds_and_repeats_the_prompt():
    messages = (user("go", PICTURE), *rounds(0, 10, output="x" * 400))
    split = split_for_summary(messages, keep_tokens=1600 + 250)
    assert split is not None
    head, tail = split
    assert head == messages[:17]
    assert tail == (messages[0], *messages[17:])


def test_a_long_run_that_never_fits_keeps_its_last_round():
    messages = (user("go"), *rounds(0, 3, output="x" * 4000))
    assert split_for_summary(messages, keep_tokens=1) == (messages[:5], (messages[0], *messages[5:]))


def test_a_former_summary_alone_is_not_summarised_again():
    messages = (*with_summary("once", ()), user("next"), assistant("answer"))
    assert split_for_summary(messages, keep_tokens=1) is None


def test_a_repeated_prompt_leaves_the_former_summary_behind():
    messages = with_summary("the first summary", (user("go"), *rounds(0, 5, output="x" * 400)))
    split = split_for_summary(messages, keep_tokens=120)
    assert split is not None
    head, tail = split
    assert tail[0] == user("go")
    assert "the first summary" in summary_prompt(head)


@settings(max_examples=300)
@given(messages=histories(), keep=st.integers(0, 3000), summary_length=st.integers(0, 500), again=st.booleans())
def test_any_history_stays_valid_and_never_grows(
    messages: tuple[Message, ...], keep: int, summary_length: int, again: bool
):
    if again:
        messages = with_summary("a former summary", messages)
    split = split_for_summary(messages, keep)
    if split is None:
        return
    head, tail = split
    prompts = [message for message in messages if message.role is Role.USER and not message.tool_results]
    assert head == messages[: len(head)]
    assert tail[-1] == messages[-1]
    assert tail[0].role is Role.USER
    assert not tail[0].tool_results
    assert prompts[-1].blocks[-1] in tail[0].blocks or prompts[-1] in tail
    assert len(head) + len(tail) - len(messages) in {0, 1}  # 1: the prompt is repeated
    assert unpaired(head) == (set(), set())
    assert unpaired(tail) == unpaired(messages)

    after = compacted(messages, "s" * summary_length, tail)
    if after is None:
        assert summary_length == 0 or estimate_tokens(with_summary("s" * summary_length, tail)) >= estimate_tokens(
            messages
        )
        return
    assert estimate_tokens(after) < estimate_tokens(messages)
    assert unpaired(after) == unpaired(messages)
    assert repeats(after) <= repeats(messages)


def repeats(messages: Sequence[Message]) -> int:
    """How often one side speaks twice in a row."""
    return sum(one.role is two.role for one, two in pairwise(messages))


# the summary


def test_the_summariser_reads_text_calls_and_shortened_results():
    head = (
        user("fix it", PICTURE),
        Message(Role.ASSISTANT, (Reasoning("hidden"), Text("looking"))),
        calls("a.py"),
        results("a.py", output="begin" + "x" * 9000 + "end"),
        Message(Role.USER, (ToolResult(call_id="c", name="bash", output="no", exit_code=2),)),
    )
    prompt = summary_prompt(head)
    for wanted in (
        "Person: fix it",
        "an image",
        "Agent: looking",
        'read: {"path": "a.py"}',
        "begin",
        "end",
        "exit code 2",
    ):
        assert wanted in prompt
    assert "hidden" not in prompt
    assert len(prompt) < 6000


def test_a_summary_stands_in_the_prompt_that_follows_it():
    new = with_summary("short", (user("next", PICTURE), assistant("answer")))
    assert roles_of(new) == [Role.USER, Role.ASSISTANT]
    assert new[0].text.endswith("next")
    assert "short" in new[0].text
    assert PICTURE in new[0].blocks


def test_a_new_summary_replaces_the_former_one():
    once = with_summary("first", (user("next"),))
    assert "first" not in with_summary("second", once)[0].text


def test_a_summary_without_a_tail_is_one_message_of_the_person():
    assert roles_of(with_summary("short", ())) == [Role.USER]


def test_an_empty_summary_changes_nothing():
    messages = (user("1"), assistant("a" * 4000), user("2"))
    assert compacted(messages, " \n", messages[2:]) is None
