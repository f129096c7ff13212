"""The model of a session: every call to a provider passes here, composed once for everybody.

    retry → breaker → lane Generate → client

No lane slot is held while a retry waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import evolve, frozen

from a3s_code.config import Config, ModelConfig, ProviderConfig
from a3s_code.errors import ConfigError, ModelError, ModelErrorKind, ToolError
from a3s_code.lanes import Lane
from a3s_code.messages import user
from a3s_code.points.llm import LlmClient, ModelRequest, ReasoningPart, Reply, TextPart, ToolCallPart
from a3s_code.queue.lane_queue import LaneQueue
from a3s_code.replies import fit
from a3s_code.resilience import CircuitBreaker, Clock, RetryPolicy, retrying

__all__ = ["Model", "ModelChoice", "ModelSettings", "PartSink", "choose"]

IDLE_S = 300.0
BREAKER_RESET_S = 30.0
DEFAULT_CONTEXT_TOKENS = 200_000
"""Context window assumed when the model has no limit block (behaviour of the reference)."""


@frozen(kw_only=True)
class ModelChoice:
    """A resolved model name.

    Args:
        name: "provider/model".
        provider: The provider's block.
        model: The provider's id of the model.
        known: The model's block, or one with defaults.
    """

    name: str
    provider: ProviderConfig
    model: str
    known: ModelConfig

    @property
    def family(self) -> str:
        """The model's family in lower case; its id when the configuration names none."""
        return (self.known.family or self.model).casefold()

    @property
    def context_tokens(self) -> int:
        return self.known.limit.context or DEFAULT_CONTEXT_TOKENS


def choose(config: Config, name: str) -> ModelChoice:
    """The model called *name*.

    Raises:
        ConfigError: It has no slash, or its provider is not configured.
    """
    provider_name, slash, model = name.partition("/")
    if not slash or not provider_name or not model:
        raise ConfigError(f'the model "{name}" must be written as "provider/model"')
    for provider in config.providers:
        if provider.name == provider_name:
            known = next((one for one in provider.models if one.id == model), ModelConfig(id=model))
            return ModelChoice(name=name, provider=provider, model=model, known=known)
    names = ", ".join(provider.name for provider in config.providers) or "none"
    raise ConfigError(f'no providers block is named "{provider_name}" (for the model "{name}"); there are: {names}')


class PartSink(Protocol):
    """Who sees the parts of a reply as they come."""

    async def part(self, part: TextPart | ReasoningPart | ToolCallPart) -> None: ...

    async def retract(self, reason: str) -> None:
        """What was seen of this reply is void: the call is made again."""
        ...

    async def end(self) -> None: ...


@frozen(kw_only=True)
class ModelSettings:
    """What the session decides about its model calls; *idle_s* seconds without any part count as stalled."""

    retry: RetryPolicy = RetryPolicy()
    breaker_threshold: int = 3
    temperature: float | None = None
    thinking_budget: int | None = None
    idle_s: float = IDLE_S


class Model:
    """Asks the chosen model.

    Args:
        config: Where models are looked up.
        name: "provider/model".
        client_of: Opens the client of a provider.
        queue: The session's lanes.
        settings: The session's decisions.
        clock: Does the waiting.
    """

    def __init__(
        self,
        config: Config,
        name: str,
        client_of: Callable[[ProviderConfig], Awaitable[LlmClient]],
        queue: LaneQueue,
        settings: ModelSettings,
        clock: Clock,
    ):
        self.choice = choose(config, name)
        self._config = config
        self._client_of = client_of
        self._queue = queue
        self._settings = settings
        self._clock = clock
        self._breakers: dict[str, CircuitBreaker] = {}

    def switch(self, name: str) -> None:
        """Asks another model from now on. Raises ConfigError."""
        self.choice = choose(self._config, name)

    async def reply(self, request: ModelRequest, sink: PartSink | None = None) -> Reply:
        """The model's complete reply to *request*, whose model and sampling are filled in here.

        Raises:
            ModelError: It could not be had, after retries.
        """
        choice = self.choice
        known = choice.known
        request = evolve(
            request,
            model=choice.model,
            tools=request.tools if known.tool_call else (),
            max_tokens=request.max_tokens or known.limit.output or None,
            temperature=self._settings.temperature if known.temperature else None,
            thinking_budget=self._settings.thinking_budget if known.reasoning else None,
        )
        client = await self._client_of(choice.provider)
        attempts = _Attempts(client, request, sink, self._settings.idle_s)

        async def attempt() -> Reply:
            return await self._queue.run(Lane.GENERATE, attempts.run)

        breaker = self._breaker(choice.provider.name)
        return await retrying(attempt, self._settings.retry, breaker, self._clock, attempts.retract)

    async def ask(self, prompt: str, *, system: str = "", max_tokens: int | None = None) -> Reply:
        """One answer without tools (see `TextModel`)."""
        return await self.reply(
            ModelRequest(model="", messages=(user(prompt),), system=system, max_tokens=max_tokens, cache=False)
        )

    def _breaker(self, provider: str) -> CircuitBreaker:
        if provider not in self._breakers:
            threshold = self._settings.breaker_threshold
            self._breakers[provider] = CircuitBreaker(threshold, BREAKER_RESET_S, self._clock)
        return self._breakers[provider]


class _Attempts:
    """The attempts at one reply; takes back what a failed one has shown before the wait for the next."""

    def __init__(self, client: LlmClient, request: ModelRequest, sink: PartSink | None, idle_s: float):
        self._client = client
        self._request = request
        self._sink = sink
        self._idle_s = idle_s
        self._was_shown = False

    async def retract(self, error: ModelError) -> None:
        if self._was_shown and self._sink is not None:
            self._was_shown = False
            await self._sink.retract(str(error))

    async def run(self) -> Reply:
        """One attempt. Whatever a client raises is a `ModelError` from here on."""
        try:
            return await self._consume()
        except ModelError:
            raise
        except ToolError as error:  # the HttpClient refused the address
            raise ModelError(str(error), kind=ModelErrorKind.INVALID_REQUEST) from error
        except (Exception, SystemExit) as error:  # a stranger's client
            text = f"the model's client failed: {type(error).__name__}: {error}"
            raise ModelError(text, kind=ModelErrorKind.PROTOCOL) from error

    async def _consume(self) -> Reply:
        events = self._client.stream(self._request)
        reply: Reply | None = None
        try:
            while True:
                try:
                    async with asyncio.timeout(self._idle_s):
                        event = await anext(events)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    raise ModelError(
                        f"the model sent nothing for {self._idle_s:g} s", kind=ModelErrorKind.STALLED
                    ) from None
                if isinstance(event, Reply):
                    reply = fit(event)
                elif self._sink is not None:
                    self._was_shown = True
                    await self._sink.part(event)
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()
        if reply is None:
            raise ModelError("the model's client ended its stream without a reply", kind=ModelErrorKind.TRUNCATED)
        if self._sink is not None:
            await self._sink.end()
        return reply
