"""One tree, one run: however the handler is attached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import CallbackManager

from tests.expected import ANSWERED, READ, told
from tests.langchain.models import ScriptedChat
from tests.langchain.ways import STREAMS, WAYS, chain_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

ATTACHED: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "on a constructor": lambda handler: (chain_of(ScriptedChat(callbacks=[handler])), {}),
    "in with_config": lambda handler: (chain_of(ScriptedChat()).with_config(callbacks=[handler]), {}),
    "on a part": lambda handler: (chain_of(ScriptedChat().with_config(callbacks=[handler])), {}),
    "in the call": lambda handler: (chain_of(ScriptedChat()), {"callbacks": [handler]}),
    "in a manager": lambda handler: (chain_of(ScriptedChat()), {"callbacks": CallbackManager.configure([handler])}),
    "twice in the call": lambda handler: (chain_of(ScriptedChat()), {"callbacks": [handler, handler]}),
    "twice in a manager": lambda handler: (
        chain_of(ScriptedChat()),
        {"callbacks": CallbackManager.configure([handler, handler], [handler])},
    ),
    "twice on a constructor": lambda handler: (ScriptedChat(callbacks=[handler, handler]), {}),
    "on a constructor and in the call": lambda handler: (
        chain_of(ScriptedChat(callbacks=[handler])),
        {"callbacks": [handler]},
    ),
    "on a model and in its call": lambda handler: (ScriptedChat(callbacks=[handler]), {"callbacks": [handler]}),
    "in with_config and in the call": lambda handler: (
        chain_of(ScriptedChat()).with_config(callbacks=[handler]),
        {"callbacks": [handler]},
    ),
    "in with_config twice": lambda handler: (
        chain_of(ScriptedChat()).with_config(callbacks=[handler]).with_config(callbacks=[handler]),
        {},
    ),
    "everywhere": lambda handler: (
        chain_of(ScriptedChat(callbacks=[handler]).with_config(callbacks=[handler])).with_config(callbacks=[handler]),
        {"callbacks": [handler, handler]},
    ),
}


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize("way", WAYS)
def test_attached(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, attached: str, way: str) -> None:
    """LC1, LC17: wherever the handler is attached, and however often, a tree is one run."""
    runnable, config = ATTACHED[attached](handler)
    WAYS[way](runnable, config)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)
