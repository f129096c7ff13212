"""The transcript: one session's records, their fold into messages, and the events that are views of them.

It is the journal's only writer. A record is written before anybody sees its event, and between opening, cancellation
and compaction every call has exactly one result.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from a3s_code.errors import ToolErrorKind
from a3s_code.events import AgentEnd, AgentStart, ContextCompacted, Error, Event, ToolEnd, ToolStart, TurnEnd
from a3s_code.messages import Image, Message, Role, Text, ToolCall, ToolResult
from a3s_code.points.sessions import Journal, SessionInfo
from a3s_code.records import (
    Cleared,
    Compacted,
    FileChanged,
    FilesSeen,
    FilesUndone,
    ModelSwitched,
    Prompted,
    Record,
    Replied,
    RunEnded,
    SessionOpened,
    ToolIntended,
    ToolSettled,
    decode,
    encode,
)
from a3s_code.usage import Usage

__all__ = ["Transcript", "event_of"]

TITLE_LENGTH = 80


def event_of(record: Record, seq: int) -> Event | None:
    """The event that is a view of *record*, or None."""
    match record:
        case Prompted(origin="user", prompt=prompt):
            return AgentStart(prompt, seq=seq)
        case Replied(turn=turn, usage=usage):
            return TurnEnd(turn, usage, seq=seq)
        case ToolIntended(call_id=id, name=name, arguments=arguments, origin="model" | "child"):
            return ToolStart(id, name, arguments, seq=seq)
        case ToolSettled(result=result, origin="model" | "child"):
            return ToolEnd(result, seq=seq)
        case Compacted(messages=messages, before_messages=before, percent_before=percent):
            return ContextCompacted(before, len(messages), percent, seq=seq)
        case RunEnded(error=str(error)):
            return Error(error, seq=seq)
        case RunEnded(text=text, usage=usage, stop_reason=reason, tool_calls_count=count):
            return AgentEnd(text, usage, reason, count, seq=seq)
        case _:
            return None


class Transcript:
    """A session's history. `add` writes, folds and emits, in this order.

    Args:
        journal: Where it is kept; the transcript is its only writer.
        session_id: Whose it is; default: what the first record says.
    """

    def __init__(self, journal: Journal, session_id: str = ""):
        self._journal = journal
        self.session_id = session_id
        self._emit: Callable[[Event], None] = lambda _event: None
        self._writing = asyncio.Lock()
        self.messages: list[Message] = []
        self.opened: SessionOpened | None = None
        self.model = ""
        self.title = ""
        self.usage = Usage()
        self.last_usage = Usage()
        self.last_reply: Replied | None = None
        self.seq = 0
        self.runs = 0
        self.run_id = ""
        self.file_records: list[FileChanged | FilesUndone] = []
        self.files_seen: dict[str, str] = {}
        self._asked_at: int | None = None  # where the reply stands whose calls are being answered
        self._results: dict[str, ToolResult] = {}
        self._intended: set[str] = set()

    @property
    def folder(self) -> Path | None:
        """The session's folder, where its store has one."""
        return self._journal.folder

    def listen(self, emit: Callable[[Event], None]) -> None:
        """From now on events go to *emit*."""
        self._emit = emit

    async def add(self, *records: Record, durable: bool = True) -> int:
        """Writes records, folds them into the messages and emits their events; the seq of the last.

        Args:
            records: What happened, in order.
            durable: Whether it must be on disk when this returns.
        """
        writing = asyncio.ensure_future(self._write(records, durable))  # noqa: TID251 # awaited here, also when cancelled
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing})  # written and folded or neither, so that memory and journal never differ
            if not writing.cancelled():
                writing.exception()
            raise

    async def _write(self, records: Sequence[Record], durable: bool) -> int:
        async with self._writing:  # read-only calls settle side by side
            for record in records:
                for image in _images(record):
                    await self._journal.put_blob(image.digest, image.data)
            seq = await self._journal.append([encode(record) for record in records], durable=durable)
            for number, record in enumerate(records, seq - len(records) + 1):
                self._fold(record, number)
                event = event_of(record, number)
                if event is not None:
                    self._emit(event)
        return seq

    async def keep(self, content: bytes) -> str:
        """Keeps bytes beside the records, durable when it returns; their SHA-256."""
        digest = sha256(content).hexdigest()
        await self._journal.put_blob(digest, content)
        return digest

    async def kept(self, digest: str) -> bytes:
        """The bytes that `keep` kept. Raises SessionError when they are missing or damaged."""
        return await self._journal.get_blob(digest)

    async def sync(self) -> None:
        """Everything added so far is on disk."""
        await self._journal.append((), durable=True)

    async def load(self) -> None:
        """Folds what the journal holds; repairs what a crash left open."""
        for seq, payload in await self._journal.read():
            self._fold(await self._decode(payload), seq)
        await self.repair("interrupted by a crash or exit")

    async def _decode(self, payload: bytes) -> Record:
        needed: list[str] = []

        def note(digest: str) -> bytes:
            needed.append(digest)
            return b""

        record = decode(payload, note)
        if not needed:
            return record
        blobs = {digest: await self._journal.get_blob(digest) for digest in needed}
        return decode(payload, blobs.__getitem__)

    async def repair(self, why: str) -> None:
        """Gives every call without a result one that says so; nothing is run again."""
        settled = []
        for call in self.open_calls():
            started = call.id in self._intended
            text = (
                f"{why}; the call had started and its effects are unknown: check before you repeat it"
                if started
                else f"{why}; the call did not run"
            )
            result = ToolResult(
                call_id=call.id, name=call.name, output=text, exit_code=1, kind=ToolErrorKind.INTERRUPTED.value
            )
            settled.append(ToolSettled(result=result))
        if settled:
            await self.add(*settled)

    def open_calls(self) -> tuple[ToolCall, ...]:
        """Calls of the last reply with calls that have no result yet."""
        if self._asked_at is None:
            return ()
        return tuple(call for call in self.messages[self._asked_at].tool_calls if call.id not in self._results)

    async def save(self) -> None:
        """A snapshot: everything is on disk, and lists of sessions show the session as it is now."""
        await self._journal.snapshot(self.summary())

    def summary(self) -> SessionInfo:
        opened = self.opened
        return SessionInfo(
            id=self.session_id,
            workspace=opened.workspace if opened else "",
            created_at=opened.created_at if opened else 0.0,
            updated_at=time.time(),
            title=self.title,
            model=self.model,
            records=self.seq,
        )

    async def aclose(self) -> None:
        await self._journal.aclose()

    def _fold(self, record: Record, seq: int) -> None:
        self.seq = seq
        match record:
            case SessionOpened():
                self.opened, self.model = record, record.model
                self.session_id = self.session_id or record.session_id  # a fork's record names the original
            case Prompted():
                self.messages.append(record.message)
                self.run_id = record.run_id
                if not self.title:
                    self.title = " ".join(record.prompt.split())[:TITLE_LENGTH]
            case Replied():
                if any(not isinstance(block, Text) or block.text.strip() for block in record.message.blocks):
                    self.messages.append(record.message)  # providers refuse a history with an empty reply
                    self._asked_at = len(self.messages) - 1 if record.message.tool_calls else None
                self.usage += record.usage
                self.last_usage = record.usage
                self.last_reply = record
                self._results.clear()
                self._intended.clear()
            case ToolIntended():
                self._intended.add(record.call_id)
            case ToolSettled():
                self._settle(record)
            case FileChanged() | FilesUndone():
                self.file_records.append(record)
            case FilesSeen():
                self.files_seen.update(record.seen)
            case Compacted():
                self.messages[:] = record.messages
                self._asked_at = None
                self.usage += record.usage
                self.last_usage = Usage()
            case Cleared():
                self.messages.clear()
                self.files_seen.clear()
                self._asked_at = None
                self.last_usage = Usage()
            case ModelSwitched():
                self.model = record.model
            case RunEnded():
                self.runs += 1

    def _settle(self, record: ToolSettled) -> None:
        if record.origin != "model":
            return
        self._results[record.result.call_id] = record.result
        if self._asked_at is not None and not self.open_calls():
            calls = self.messages[self._asked_at].tool_calls
            results = tuple(self._results[call.id] for call in calls)  # in the order they were asked
            self.messages.insert(self._asked_at + 1, Message(Role.USER, results))
            self._asked_at = None


def _images(record: Record) -> Sequence[Image]:
    match record:
        case Prompted(message=message) | Replied(message=message):
            return _of_message(message)
        case ToolSettled(result=result):
            return result.images
        case Compacted(messages=messages):
            return [image for message in messages for image in _of_message(message)]
        case _:
            return ()


def _of_message(message: Message) -> list[Image]:
    images = [block for block in message.blocks if isinstance(block, Image)]
    return images + [image for result in message.tool_results for image in result.images]
