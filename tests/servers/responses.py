"""What the Responses API answers, whole and in events: https://platform.openai.com/docs/api-reference/responses ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tests.servers.openai import Stream

if TYPE_CHECKING:
    from tests.servers.scripted import JSON

__all__ = [
    "background_stream",
    "events",
    "function_call",
    "hosted_call",
    "message",
    "reasoning",
    "response",
    "response_stream",
    "response_usage",
]

Item = Mapping[str, object]


def message(*pieces: str, id: str = "msg_1", refusal: bool = False) -> JSON:  # noqa: A002  # its name
    """Make an item of text, or of a refusal."""
    kind, field = ("refusal", "refusal") if refusal else ("output_text", "text")
    part = {"type": kind, field: "".join(pieces), **({} if refusal else {"annotations": []})}
    return {"type": "message", "id": id, "role": "assistant", "status": "completed", "content": [part]}


def reasoning(*pieces: str, id: str = "rs_1") -> JSON:  # noqa: A002  # its name
    """Make an item of reasoning, of which a summary is told."""
    return {"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": "".join(pieces)}]}


def function_call(name: str, *arguments: str, id: str = "fc_1", call_id: str = "call_1") -> JSON:  # noqa: A002  # its name
    """Make an item that calls a function of the application."""
    item = {"type": "function_call", "id": id, "call_id": call_id, "name": name}
    return {**item, "arguments": "".join(arguments) or "{}", "status": "completed"}


def hosted_call(kind: str, id: str = "hosted_1", **fields: object) -> JSON:  # noqa: A002  # its name
    """Make an item that is the call of a hosted tool, such as `web_search_call`."""
    return {"type": kind, "id": id, "status": "completed", **fields}


def response_usage(input_: int, output: int, *, cached: int = 0, thought: int = 0) -> JSON:
    """Spell out the usage of a response."""
    return {
        "input_tokens": input_,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": input_ + output,
    }


def response(
    *output: Item,
    status: str = "completed",
    usage: tuple[int, int] | None = (9, 3),
    id: str = "resp_1",  # noqa: A002  # its name
    **fields: object,
) -> JSON:
    """Make a response; without items it says `Hello`, if it is over."""
    over = status not in ("queued", "in_progress")
    items = list(output) or ([message("Hello")] if status == "completed" else [])
    return {
        "id": id,
        "object": "response",
        "created_at": 1,
        "model": "scripted-model",
        "status": status,
        "background": False,
        "error": {"code": "server_error", "message": "Scripted failure"} if status == "failed" else None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "output": items,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": response_usage(*usage) if usage is not None and over else None,
        **fields,
    }


def events(
    *output: Item,
    pieces: Sequence[str] = ("Hel", "lo"),
    status: str = "completed",
    usage: tuple[int, int] | None = (9, 3),
    queued: bool = False,
    **fields: object,
) -> list[JSON]:
    """Make the events of a streamed response; without items it says the `pieces`.

    It ends with the event of its `status`; the deltas of an item are those of its text or arguments, halved.
    """
    items = list(output) or [message(*pieces)]
    begun = response(status="in_progress", usage=None, **fields)  # type: ignore[arg-type]  # fields of the response
    told: list[JSON] = [{"type": "response.created", "response": begun}]
    if queued:
        told = [
            {"type": "response.created", "response": {**begun, "status": "queued"}},
            {"type": "response.queued", "response": {**begun, "status": "queued"}},
        ]
    told.append({"type": "response.in_progress", "response": begun})
    for place, item in enumerate(items):
        told += _item_events(item, place)
    ended = response(*items, status=status, usage=usage, **fields)  # type: ignore[arg-type]  # likewise
    told.append({"type": f"response.{status}", "response": ended})
    return [{**event, "sequence_number": number} for number, event in enumerate(told)]


def response_stream(*output: Item, **options: object) -> Stream:
    """Make the stream of such events; `cut_after`, `stall_after`, `delay_s` and `pauses_s` are the stream's own."""
    names = ("cut_after", "stall_after", "delay_s", "pauses_s", "error")
    own = {name: options.pop(name) for name in names if name in options}
    return Stream(events(*output, **options), done=False, **own)  # type: ignore[arg-type]  # each takes its own


def background_stream(*output: Item, **options: object) -> Stream:
    """Make the stream of a response in the background, which is queued first."""
    return response_stream(*output, **{"background": True, "queued": True, **options})


def _item_events(item: Item, place: int) -> list[JSON]:
    at = {"output_index": place}
    within = {**at, "item_id": item["id"]}
    told: list[JSON] = []
    begun = dict(item)
    if item["type"] == "message":
        part = item["content"][0]  # type: ignore[index]  # a message has one part
        kind, field = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
        within["content_index"] = 0
        logprobs: JSON = {} if kind == "refusal" else {"logprobs": []}
        begun = {**item, "content": [], "status": "in_progress"}
        told.append({"type": "response.content_part.added", **within, "part": {**part, field: ""}})
        told += [
            {"type": f"response.{kind}.delta", **within, "delta": each, **logprobs} for each in _halves(part[field])
        ]
        told.append({"type": f"response.{kind}.done", **within, field: part[field], **logprobs})
        told.append({"type": "response.content_part.done", **within, "part": part})
    elif item["type"] == "reasoning":
        begun = {**item, "summary": []}
        within["summary_index"] = 0
        text = item["summary"][0]["text"]  # type: ignore[index]  # it has one part
        told += [{"type": "response.reasoning_summary_text.delta", **within, "delta": each} for each in _halves(text)]
        told.append({"type": "response.reasoning_summary_text.done", **within, "text": text})
    elif item["type"] == "function_call":
        begun = {**item, "arguments": "", "status": "in_progress"}
        whole = str(item["arguments"])
        told += [{"type": "response.function_call_arguments.delta", **within, "delta": each} for each in _halves(whole)]
        told.append(
            {"type": "response.function_call_arguments.done", **within, "arguments": whole, "name": item["name"]}
        )
    else:
        begun = {**item, "status": "in_progress"}
        told.append({"type": f"response.{item['type']}.in_progress", **within})
        told.append({"type": f"response.{item['type']}.completed", **within})
    added = {"type": "response.output_item.added", **at, "item": begun}
    return [added, *told, {"type": "response.output_item.done", **at, "item": dict(item)}]


def _halves(text: str) -> list[str]:
    middle = (len(text) + 1) // 2
    return [half for half in (text[:middle], text[middle:]) if half]
