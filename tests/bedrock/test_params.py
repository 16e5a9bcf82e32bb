"""From an AI Config to the keyword arguments of a Converse call."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldai_bedrock import converse_params
from ldai_core import AIConfigDefault, Message, Tool
from tests.bedrock.bots import FIELDS, NOVA, NOW, SCHEMA, TOOLS, WEATHER, bot, params, said
from tests.servers.bedrock import Answer, Events, answer, events

if TYPE_CHECKING:
    from tests.servers.bedrock import ScriptedBedrock

SPELLINGS = {
    "maxTokens": ["maxTokens", "max_tokens", "max-tokens", "MaxTokens", "MAX_TOKENS", "max_completion_tokens"],
    "temperature": ["temperature", "Temperature", "TEMPERATURE"],
    "topP": ["topP", "top_p", "top-p", "TopP", "TOP_P", "topp"],
    "stopSequences": ["stopSequences", "stop_sequences", "stop-sequences", "StopSequences", "stop", "Stop"],
}
SPELLINGS["maxTokens"] += ["maxCompletionTokens", "maxOutputTokens", "max_output_tokens", "max-output-tokens"]


def test_the_whole_of_it(refused: Any) -> None:
    """Model, system, messages, parameters and tools each get their place, and boto3 takes them."""
    config = bot(
        {"maxTokens": 256.0, "topP": 0.5, "stop": "END", "top_k": 20, "guardrailConfig": FIELDS["guardrailConfig"]},
        messages=[Message("system", "Be brief."), Message("user", "Hello?")],
        tools=TOOLS,
    )
    written = converse_params(config, [{"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Hi"}])
    assert written == {
        "modelId": NOVA,
        "system": said("Be brief."),
        "messages": [
            {"role": "user", "content": said("Hello?")},
            {"role": "assistant", "content": said("Yes?")},
            {"role": "user", "content": said("Hi")},
        ],
        "inferenceConfig": {"maxTokens": 256, "topP": 0.5, "stopSequences": ["END"]},
        "guardrailConfig": FIELDS["guardrailConfig"],
        "toolConfig": {"tools": [WEATHER, NOW]},
        "additionalModelRequestFields": {"top_k": 20},
    }
    assert not refused(written)


def test_a_disabled_config_has_no_model() -> None:
    """Without a model there is no `modelId`: the application says which, or what else to do."""
    assert converse_params(AIConfigDefault.disabled()) == {"messages": []}


def test_a_model_without_parameters() -> None:
    """What there is nothing for is left out, but for the messages."""
    assert converse_params(bot()) == converse_params(bot({})) == {"modelId": NOVA, "messages": []}


def test_system_messages_are_the_system_wherever_they_stand(refused: Any) -> None:
    """Every message with the role `system` goes to `system`, given ones too; empty ones are left out."""
    config = bot(
        messages=[Message("user", "1"), Message("system", "A"), Message("system", ""), Message("assistant", "2")]
    )
    given: list[dict[str, Any]] = [{"role": "system", "content": said("B", "", " ")}, {"role": "user", "content": "3"}]
    guarded = {"guardContent": {"text": {"text": "C"}}}
    written = converse_params(config, [*given, {"role": "system", "content": [guarded]}])
    assert written["system"] == [*said("A", "B"), guarded]
    assert [(message["role"], message["content"]) for message in written["messages"]] == [
        ("user", said("1")),
        ("assistant", said("2")),
        ("user", said("3")),
    ]
    assert not refused(written)
    assert "system" not in converse_params(bot(messages=[Message("system", ""), Message("system", " \n")]))


def test_a_system_among_the_parameters(refused: Any) -> None:
    """A system that a config has among its parameters stays, unless it has messages that say more."""
    assert params({"system": "Sing."}) == params({"system": said("Sing.", "")}) == {"system": said("Sing.")}
    written = converse_params(bot({"system": "Sing."}, messages=[Message("system", "Hum.")]))
    assert written == {"modelId": NOVA, "system": said("Hum."), "messages": []}
    assert not refused(written)
    assert params({"system": None}) == {}


def test_model_and_messages_are_the_configs() -> None:
    """What parameters say of the model's name and of the messages is not heard, as their own place says it."""
    assert params({"modelId": "other", "messages": [{"role": "user", "content": []}]}) == {}


def test_given_messages_may_be_blocks_and_come_once() -> None:
    """A list of Converse's blocks passes as it is; an iterator, and any mapping, is as good as a list of dicts."""
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    given: list[dict[str, Any]] = [
        {"role": "user", "content": [image, {"text": "What is it?"}]},
        {"role": "assistant", "content": "A cat."},
    ]
    expected = [{"role": "user", "content": [image, *said("What is it?")]}]
    expected += [{"role": "assistant", "content": said("A cat.")}]
    assert converse_params(bot(), given)["messages"] == expected
    assert converse_params(bot(), iter(given))["messages"] == expected
    assert converse_params(bot(), tuple(given))["messages"] == expected


def test_messages_of_one_role_in_a_row_are_one(refused: Any) -> None:
    """Roles alternate: blocks come after blocks, also where only a system message, or the config's end, parts them."""
    config = bot(messages=[Message("user", "1"), Message("system", "A"), Message("user", "2")])
    given: list[dict[str, Any]] = [
        {"role": "user", "content": said("3", "4")},
        {"role": "assistant", "content": said("5")},
        {"role": "assistant", "content": "6"},
        {"role": "user", "content": "7"},
    ]
    before = copy.deepcopy(given)
    written = converse_params(config, given)
    assert written["messages"] == [
        {"role": "user", "content": said("1", "2", "3", "4")},
        {"role": "assistant", "content": said("5", "6")},
        {"role": "user", "content": said("7")},
    ]
    assert not refused(written)
    for message in written["messages"]:
        message["content"].append({})
    assert given == before


@pytest.mark.parametrize(("name", "spelling"), [(name, each) for name in SPELLINGS for each in SPELLINGS[name]])
def test_any_spelling_of_what_every_model_has(name: str, spelling: str, refused: Any) -> None:
    """What Converse has for every model is found in any spelling, and by OpenAI's names; a null is left out."""
    value = ["END"] if name == "stopSequences" else 1
    for parameters in ({spelling: value}, {"inferenceConfig": {spelling: value}}):
        assert params(parameters) == {"inferenceConfig": {name: value}}
        assert not refused(converse_params(bot(parameters)))
    assert params({spelling: None}) == params({"inferenceConfig": {spelling: None}}) == {}


@pytest.mark.parametrize(
    "parameters",
    [
        {"maxTokens": 1, "max_tokens": 2, "max_completion_tokens": 3},
        {"max-tokens": 2, "max_output_tokens": 3, "maxTokens": 1},
        {"maxTokens": None, "max_tokens": 1},
        {"maxCompletionTokens": 2, "max_tokens": 1},
        {"max_tokens": 1, "maxCompletionTokens": 2},
        {"maxOutputTokens": 2, "max_completion_tokens": 1},
        {"maxTokens": 2, "inferenceConfig": {"maxTokens": 1}},
        {"inferenceConfig": {"max_tokens": 1}, "maxTokens": 2},
        {"inferenceConfig": {"maxTokens": None}, "maxTokens": 1},
        {"inferenceConfig": None, "maxTokens": 1},
        {"inferenceConfig": {}, "maxTokens": 1},
    ],
)
def test_converses_spelling_wins(parameters: dict[str, Any]) -> None:
    """A dict `inferenceConfig` wins, then Converse's spelling, then its name in another one, whatever their order."""
    assert params(parameters) == {"inferenceConfig": {"maxTokens": 1}}


def test_inference_config_is_joined() -> None:
    """What a dict `inferenceConfig` does not say is taken from beside it."""
    parameters = {"temperature": 0.1, "topP": 0.2, "inferenceConfig": {"topP": 0.3}}
    assert params(parameters) == {"inferenceConfig": {"temperature": 0.1, "topP": 0.3}}


def test_what_converse_has_not_in_inference_config(refused: Any) -> None:
    """What else `inferenceConfig` says, as Nova's requests do, is the model's own, in its place."""
    parameters = {"inferenceConfig": {"max_new_tokens": 5, "topK": 20, "topP": 0.5}}
    assert params(parameters) == {
        "inferenceConfig": {"topP": 0.5},
        "additionalModelRequestFields": {"inferenceConfig": {"max_new_tokens": 5, "topK": 20}},
    }
    assert not refused(converse_params(bot(parameters)))


@pytest.mark.parametrize(("given", "whole"), [(256.0, 256), (1e3, 1000), (256, 256), (0.5, 0.5), ("9", "9")])
def test_whole_tokens_are_an_int(given: Any, whole: Any) -> None:
    """JSON has one kind of number, and boto3 takes an int; what is not whole is left for it to refuse."""
    for parameters in ({"max_tokens": given}, {"inferenceConfig": {"maxTokens": given}}):
        tokens = params(parameters)["inferenceConfig"]["maxTokens"]
        assert (tokens, type(tokens)) == (whole, type(whole))
    assert type(params({"temperature": 1.0})["inferenceConfig"]["temperature"]) is float


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_odd_numbers_of_tokens(number: float) -> None:
    """What is no number of anything raises nothing here."""
    assert params({"maxTokens": number})["inferenceConfig"] == {"maxTokens": number}


@pytest.mark.parametrize(
    ("given", "written"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ("", []), (["", "a"], ["a"]), ([], []), (7, 7)],
)
def test_sequences_to_stop_at_are_a_list(given: Any, written: Any) -> None:
    """A string is a list of one; empty ones, which boto3 refuses, are left out."""
    assert params({"stop": given}) == {"inferenceConfig": {"stopSequences": written}}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_the_request_pass(name: str, service: Any, refused: Any) -> None:
    """A field of Converse's passes as it is; a null, which boto3 does not take, is left out."""
    assert params({name: FIELDS[name]}) == {name: FIELDS[name]}
    assert params({name: None}) == {}
    if name in service.operation_model("Converse").input_shape.members:  # which an older botocore has not
        assert not refused(converse_params(bot({name: FIELDS[name]})))


@pytest.mark.parametrize("name", ["output_config", "service_tier", "guardrail_config", "top_k", "seed", "stopper", ""])
def test_everything_else_is_the_models_own(name: str, refused: Any) -> None:
    """Other parameters go to the model under their own name: another spelling may be another API's field."""
    values: tuple[Any, ...] = (7, 0.5, "", None, False, [], {}, {"a": [None, {"b": 1.5}]})
    for value in values:
        assert params({name: value}) == {"additionalModelRequestFields": {name: value}}
        assert not refused(converse_params(bot({name: value})))


def test_additional_fields_are_merged() -> None:
    """A dict `additionalModelRequestFields` joins the other parameters of the model's own, and wins over them."""
    parameters = {"top_k": 1, "seed": 2, "additionalModelRequestFields": {"top_k": 3, "maxTokens": 4, "tools": [5]}}
    assert params(parameters) == {
        "additionalModelRequestFields": {"top_k": 3, "seed": 2, "maxTokens": 4, "tools": [5]},
    }
    assert params({"additionalModelRequestFields": {}}) == params({"additionalModelRequestFields": None}) == {}


@pytest.mark.parametrize("name", ["inferenceConfig", "additionalModelRequestFields", "toolConfig", "tools", "system"])
def test_what_is_not_of_its_kind_is_the_models_own(name: str) -> None:
    """A parameter with a name of Converse's, and a value that is none of it, is not lost."""
    assert params({name: 7}) == {"additionalModelRequestFields": {name: 7}}


def test_the_result_is_the_callers() -> None:
    """Changing what came out changes nothing in the config, however deep."""
    parameters = {"stop": ["a"], "thinking": {"type": "enabled"}, "guardrailConfig": {"trace": "enabled"}}
    config = bot(parameters, messages=[Message("user", "Hi")], tools=TOOLS)
    before = copy.deepcopy(converse_params(config))
    written = converse_params(config)
    written["inferenceConfig"]["stopSequences"].append("b")
    written["additionalModelRequestFields"]["thinking"]["budget"] = 1
    written["guardrailConfig"].clear()
    written["messages"][0]["content"].clear()
    for tool in written["toolConfig"]["tools"]:
        tool["toolSpec"]["inputSchema"]["json"]["properties"]["date"] = {}
    assert converse_params(config) == before


def test_a_real_request(server: ScriptedBedrock, client: Any) -> None:
    """What comes out is what `converse` and `converse_stream` take, and it arrives at the service."""
    tools = {"weather": Tool("weather", "Tells it", parameters=SCHEMA)}
    parameters = {"maxTokens": 5.0, "toolChoice": "required", "top_k": None}
    config = bot(parameters, messages=[Message("system", "Be brief.")], tools=tools)
    server.script(Answer(answer()), Events(events("Hello")))
    arguments = converse_params(config, [{"role": "user", "content": "Hi"}])
    client.converse(**arguments)
    client.converse_stream(**arguments)["stream"].close()
    assert len(server.requests) == 2
    for request in server.requests:
        assert request.body == {
            "system": said("Be brief."),
            "messages": [{"role": "user", "content": said("Hi")}],
            "inferenceConfig": {"maxTokens": 5},
            "toolConfig": {"toolChoice": {"any": {}}, "tools": [WEATHER]},
            "additionalModelRequestFields": {"top_k": None},
        }


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
WORDS = ["type", "name", "function", "parameters", "input_schema", "toolSpec", "tools", "text", "auto", "none", "tool"]
ANY_JSON = st.recursive(
    LEAVES | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=4),
    max_leaves=15,
)
TAKEN = ["inferenceConfig", "additionalModelRequestFields", "toolConfig", "tools", "toolChoice", "tool_choice"]
TAKEN += ["system", "messages", "modelId", *FIELDS, *(each for spellings in SPELLINGS.values() for each in spellings)]
NAMES = st.sampled_from([*TAKEN, "top_k"]) | st.text(max_size=9)


@given(st.dictionaries(NAMES, ANY_JSON, max_size=8), st.sampled_from([None, {}, TOOLS]))
def test_any_parameters_are_written(parameters: dict[str, Any], tools: dict[str, Tool] | None) -> None:
    """Whatever JSON the parameters are, writing them raises nothing, and changes nothing in the config."""
    config = bot(parameters, tools=tools)
    before = repr(config.to_dict())
    written = converse_params(config, [{"role": "user", "content": "Hi"}])
    json.dumps(written)
    assert repr(config.to_dict()) == before


def plain(name: str) -> str:
    """Write a name in the one spelling that all others have in common."""
    return re.sub("[_-]", "", name).lower()


OTHERS = st.text(max_size=9).filter(lambda name: plain(name) not in {plain(taken) for taken in TAKEN})


@given(
    spellings=st.fixed_dictionaries({}, optional={name: st.sampled_from(SPELLINGS[name]) for name in SPELLINGS}),
    fields=st.dictionaries(st.sampled_from(list(FIELDS)), ANY_JSON),
    others=st.dictionaries(OTHERS, ANY_JSON),
)
def test_no_parameter_is_lost(spellings: Any, fields: dict[str, Any], others: dict[str, Any], refused: Any) -> None:
    """Each parameter is in one place, with its name and value, and boto3 takes all JSON that is the model's own."""
    values = {"maxTokens": 9, "temperature": 0.5, "topP": 0.25, "stopSequences": ["END"]}
    inference = {name: values[name] for name in spellings}
    parameters = {**others, **{spelling: values[name] for name, spelling in spellings.items()}}
    expected = {"inferenceConfig": inference, "additionalModelRequestFields": others}
    expected = {name: value for name, value in expected.items() if value}
    assert as_text(params(parameters)) == as_text(expected)
    assert not refused(converse_params(bot(parameters)))
    fields_left = {name: value for name, value in fields.items() if value is not None}
    assert as_text(params({**parameters, **fields})) == as_text({**expected, **fields_left})


def as_text(value: Any) -> str:
    """Write JSON as a text, for not every number equals itself."""
    return json.dumps(value, sort_keys=True)
