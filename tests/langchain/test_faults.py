"""Nothing of ours breaks a chain: trackers that raise, messages of odd shapes, callbacks in any order."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from ldclient import Context

from ldai_core import AIClient
from ldai_core.testing import RecordingClient
from ldai_langchain import LaunchDarklyCallbackHandler
from tests.core.doubles import FailingLDClient, make_tracker, warnings_in
from tests.expected import ANSWERED, FAILED, READ, told
from tests.langchain.conftest import SUPPORT_BOT
from tests.langchain.models import ScriptedChat
from tests.langchain.ways import QUESTION, REFUSED, STREAMS, WAYS, ask, chain_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD: list[Any] = [None, 0, -1, True, "", "9", 1.5, float("nan"), [], [None], {}, {"input_tokens": None}, object(), b"x"]


@pytest.mark.parametrize("way", WAYS)
def test_a_tracker_that_raises(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """LC16: a client that raises costs one warning, which tells nothing of what it said; the result is the same."""
    handler = LaunchDarklyCallbackHandler(lambda: make_tracker(FailingLDClient()))
    assert handler.raise_error is False
    result = WAYS[way](chain_of(ScriptedChat()), {"callbacks": [handler]})
    assert "".join(result) == "Hello"
    assert warnings_in(caplog) == [
        "Measuring an AI run: LaunchDarkly's client raised ConnectionError; some events are lost."
    ]
    assert len(caplog.records) == 1
    assert len(handler._trees) == 0


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_tracker_that_raises_after_a_failure(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """LC16: nor does it hide the model's exception."""
    handler = LaunchDarklyCallbackHandler(lambda: make_tracker(FailingLDClient()))
    with pytest.raises(ValueError, match="scripted") as caught:
        WAYS[way](chain_of(ScriptedChat(turns=(REFUSED,))), {"callbacks": [handler]})
    assert caught.value is REFUSED.error
    assert len(warnings_in(caplog)) == len(caplog.records) == 1


def odd_messages() -> Iterator[AIMessageChunk]:
    """Make messages each of whose parts has a shape that nobody expects; they are chunks too."""
    for part in (
        "content",
        "usage_metadata",
        "response_metadata",
        "additional_kwargs",
        "tool_calls",
        "tool_call_chunks",
    ):
        for odd in ODD:
            message = AIMessageChunk(content="Hello")
            vars(message)[part] = odd
            yield message
    for odd in ODD:
        message = AIMessageChunk(content="Hello")
        vars(message)["usage_metadata"] = {"input_tokens": odd, "output_tokens": odd, "total_tokens": odd}
        vars(message)["response_metadata"] = {"token_usage": odd, "usage": odd, "tokenUsage": odd}
        vars(message)["tool_calls"] = [odd, {"name": odd, "id": odd, "args": odd}]
        yield message


class Odd(ScriptedChat):
    """Answers with such a message, as it is."""

    message: Any

    def _generate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        generation = ChatGeneration(message=AIMessage("Hello"))
        vars(generation)["message"] = self.message
        return ChatResult(generations=[generation])

    async def _agenerate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        return self._generate()

    def _stream(self, *_args: Any, **_kwargs: Any) -> Iterator[ChatGenerationChunk]:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content="Hello"))
        vars(chunk)["message"] = copy.copy(self.message)
        yield chunk


def outcome(model: Any, way: str, callbacks: list[Any]) -> str:
    """Say what came, or what was raised, but for the ids, which differ."""
    try:
        result = WAYS[way](model, {"callbacks": callbacks})
    except Exception as error:  # noqa: BLE001  # the same one is expected
        return f"{type(error)}: {error}"
    messages = result if isinstance(result, list) else [result]
    return str([{**message.__dict__, "id": None, "tool_calls": str(message.tool_calls)} for message in messages])


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])
def test_odd_messages(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, way: str) -> None:
    """LC16: whatever a message looks like, the result is the same as without us, and there is one record."""
    messages = list(odd_messages())
    for message in messages:
        model = Odd(message=message)
        assert outcome(model, way, [handler]) == outcome(model, way, [])
    assert len(recorded.runs) == len(messages)
    assert all(run.repeated == () and run.success is not None for run in recorded.runs)


@pytest.mark.parametrize("odd", [*ODD, SimpleNamespace(generations=3), SimpleNamespace(generations=[[None], 3])])
def test_odd_callbacks(
    handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, caplog: pytest.LogCaptureFixture, odd: Any
) -> None:
    """LC16: whatever a callback is given, it does not raise; one end is one record."""
    for unknown in (uuid4(), odd if getattr(odd, "__hash__", None) else None, "an id"):
        handler.on_llm_new_token(odd, chunk=odd, run_id=unknown)  # type: ignore[arg-type]
        handler.on_stream_event(odd, run_id=unknown)  # type: ignore[arg-type]
        handler.on_llm_end(odd, run_id=unknown)  # type: ignore[arg-type]
        handler.on_llm_error(ValueError(), run_id=unknown, response=odd)  # type: ignore[arg-type]
        handler.on_chain_end(odd, run_id=unknown)  # type: ignore[arg-type]
    assert recorded.events == recorded.events[:2]
    run_id = uuid4()
    handler.on_chat_model_start(odd, odd, run_id=run_id, invocation_params=odd, options=odd)
    handler.on_llm_new_token(odd, chunk=odd, run_id=run_id)
    handler.on_stream_event({"event": odd, "delta": odd, "content": odd}, run_id=run_id)
    handler.on_stream_event({"event": "content-block-delta", "delta": odd}, run_id=run_id)
    handler.on_llm_end(odd, run_id=run_id)
    assert recorded.run.success
    warned = [message for record in caplog.records if "reported no usage" not in (message := record.getMessage())]
    assert warned == warned[:1]


IDS = [UUID(int=number) for number in range(4)]
STEPS = st.tuples(
    st.sampled_from(["chain", "model", "text", "token", "end", "llm_end", "fail", "llm_fail", "close"]),
    st.sampled_from(IDS),
    st.sampled_from([None, *IDS]),
)


@given(st.lists(STEPS, max_size=20))
def test_callbacks_in_any_order(steps: list[tuple[str, UUID, UUID | None]]) -> None:
    """LC1, LC14: in whatever order callbacks come, a tree is recorded once at most, and in the end nothing is open."""
    recorded = RecordingClient({"support-bot": SUPPORT_BOT})
    config = AIClient(recorded).completion_config("support-bot", Context.create("user-1"))
    handler = LaunchDarklyCallbackHandler(config)
    trees = models = 0
    for step, run_id, parent in steps:
        before = len(handler._trees._open)
        known = handler._trees.get(run_id.int) is not None
        if step == "chain":
            handler.on_chain_start({}, {}, run_id=run_id, parent_run_id=parent)
        elif step == "model":
            handler.on_chat_model_start({}, [], run_id=run_id, parent_run_id=parent)
        elif step == "text":
            handler.on_llm_start({}, [], run_id=run_id, parent_run_id=parent)
        elif step == "token":
            handler.on_llm_new_token("x", run_id=run_id)
        elif step == "end":
            handler.on_chain_end({}, run_id=run_id)
        elif step == "llm_end":
            handler.on_llm_end(SimpleNamespace(), run_id=run_id)
        elif step == "fail":
            handler.on_chain_error(ValueError(), run_id=run_id)
        elif step == "llm_fail":
            handler.on_llm_error(ValueError(), run_id=run_id)
        else:
            handler.close()
        trees += max(0, len(handler._trees._open) - before)
        models += step in {"model", "text"} and not known
    handler.close()
    assert (handler._trees._tree_of, dict(handler._trees._open)) == ({}, {})
    runs = recorded.runs
    assert len(runs) <= min(trees, models)
    assert (len(runs) > 0) == (models > 0)
    assert all(run.repeated == () and run.success is not None and run.duration_ms is not None for run in runs)
    told(recorded)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda model: model.model_copy(deep=True)])
def test_copies(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, duplicate: Any) -> None:
    """LC16: a copy of a model, or of a config, goes on with the same handler."""
    model = duplicate(ScriptedChat(callbacks=[handler]))
    assert model.callbacks[0] is handler
    ask(model, {})
    watched = copy.deepcopy({"callbacks": [handler]})
    ask(ScriptedChat(), watched)
    STREAMS["stream"](model, watched)
    assert told(recorded) == [*ANSWERED * 2, *READ]


def test_it_asks_for_nothing(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient) -> None:
    """LC9: a handler beside a call does not make a stream of it."""
    streamed: list[str] = []

    class Watching(ScriptedChat):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            streamed.append("stream")
            return super()._stream(*args, **kwargs)

    ask(Watching(), {"callbacks": [handler]})
    ask(Watching(), {"callbacks": [handler]}, is_async=True)
    assert streamed == []
    with pytest.raises(ValueError, match="scripted"):
        ask(Watching(turns=(REFUSED,)), {"callbacks": [handler]})
    assert told(recorded) == [*ANSWERED * 2, *FAILED]
    assert QUESTION
