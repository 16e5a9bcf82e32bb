"""The client: evaluates AI Configs, and takes up runs that another process began."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ldclient import Context

from ldai_core.arguments import check_text, check_type
from ldai_core.claims import Claims, Referee, check_claims
from ldai_core.config import AIConfig, AIConfigDefault, Message
from ldai_core.fork import watch_forks
from ldai_core.launchdarkly import FlagClient, check_client, check_context
from ldai_core.resumption import ResumptionToken
from ldai_core.signing import Secret, TokenSigner
from ldai_core.template import Allowance, render
from ldai_core.tracker import AIConfigTracker
from ldai_core.variation import Variation, fallback_variation, read_variation
from ldai_core.version import __version__

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["AIClient"]

_log = logging.getLogger(__name__)

# Who sends the event that names this library, as in LaunchDarkly's own SDKs.
_OURSELVES = Context.builder("ld-internal-tracking").kind("ld_ai").anonymous(True).build()
_DISABLED = AIConfigDefault.disabled()
_SDK_INFO = {"aiSdkName": "ldai-adapters", "aiSdkVersion": __version__, "aiSdkLanguage": "python"}


class AIClient:
    """Evaluates AI Configs with a LaunchDarkly client, an `ldclient.LDClient` in general.

    Making one sends one `$ld:ai:sdk:info` event.

    `claims` makes each metric of a run count once across processes: see `ldai_core.integrations.redis.RedisClaims`. It
    is asked before a metric is sent, by every tracker of this client's, fresh or resumed.

    With `token_secret`, resumption tokens are signed, and only those are accepted: one secret, or several, of which the
    first signs and all are accepted, so that they can be changed. At best a secret is 32 random bytes. `token_max_age`,
    in seconds or a `timedelta`, is how old a token may be. Without a secret nothing of a token is checked but its form.

    Raises TypeError for a client that lacks `variation` or `track`, for a store that lacks `claim`, and for a secret
    that is neither text nor bytes; ValueError for an empty secret, or a maximum age that is no number above 0, or has
    no secret with it.
    """

    def __init__(
        self,
        ld_client: FlagClient,
        *,
        claims: Claims | None = None,
        token_secret: Secret | None = None,
        token_max_age: float | timedelta | None = None,
    ) -> None:
        check_client(ld_client, "variation", "track")
        if token_secret is None and token_max_age is not None:
            raise ValueError("token_max_age: expected a token_secret with it, for only signed tokens have an age")
        self._ld_client = ld_client
        self._referee = None if claims is None else Referee(check_claims(claims))
        self._signer = None if token_secret is None else TokenSigner(token_secret, token_max_age)
        watch_forks(ld_client)
        self._track("$ld:ai:sdk:info", _OURSELVES, dict(_SDK_INFO))

    def completion_config(
        self,
        key: str,
        context: Context,
        default: AIConfigDefault | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> AIConfig:
        """Evaluate the AI Config `key` for `context`.

        `default` is what to fall back on where LaunchDarkly has nothing to serve, or not a completion config; without
        one, the fallback is disabled. The messages of either are interpolated as Mustache with `variables` and with
        `ldctx`, the context. Each call sends one `$ld:ai:usage:completion-config` event, before the evaluation.

        Raises TypeError or ValueError for wrong arguments. Whatever LaunchDarkly serves, a config comes back: a part
        that cannot be read is None, with one warning. Source: https://launchdarkly.com/docs/sdk/features/ai-config
        """
        check_text("key", key)
        check_context(context)
        if default is None:
            default = _DISABLED
        check_type("default", default, AIConfigDefault, "an AIConfigDefault or None")
        if variables is not None:
            check_type("variables", variables, Mapping, "a mapping or None")
        self._track("$ld:ai:usage:completion-config", context, key)
        variation = self._evaluate(key, context, default)
        return AIConfig(
            key=key,
            enabled=variation.enabled,
            model=variation.model,
            provider=variation.provider,
            messages=_interpolate(key, variation.messages, context, variables),
            tools=variation.tools,
            tracker_factory=self._tracker(key, context, variation).for_new_run,
        )

    def create_tracker(self, token: str, context: Context) -> AIConfigTracker:
        """Go on with the run that a resumption token names: see `AIConfigTracker.from_resumption_token`.

        The process needs nothing but the token and a context. Raises InvalidResumptionToken (a ValueError) for a
        token that cannot be read, or, with a secret, that was not signed with it, was altered, or is too old; and
        TypeError for a context that is none.
        """
        if self._signer is None:
            return AIConfigTracker.resume(
                ResumptionToken.decode(token), self._ld_client, context, referee=self._referee
            )
        # It is handed on as it is: to be resumed makes it no younger.
        read = self._signer.decode(token)
        return AIConfigTracker.resume(read, self._ld_client, context, referee=self._referee, token=token)

    def _evaluate(self, key: str, context: Context, default: AIConfigDefault) -> Variation:
        absent = _served_default(default)
        try:
            value = self._ld_client.variation(key, context, absent)
        except Exception as error:  # noqa: BLE001  # the application has a default for this
            _log.warning("AI Config %r: LaunchDarkly's client raised %s; using the default", key, _kind(error))
            value = absent
        read = None if value is absent else read_variation(key, value)
        return fallback_variation(default) if read is None else read

    def _tracker(self, key: str, context: Context, variation: Variation) -> AIConfigTracker:
        """Make the one tracker of a config that its runs' trackers are modelled on."""
        return AIConfigTracker(
            ld_client=self._ld_client,
            run_id="-",  # of no run; those that are modelled on it have their own
            config_key=key,
            variation_key=variation.variation_key,
            version=variation.version,
            context=context,
            model_name=variation.model.name if variation.model else "",
            provider_name=variation.provider.name if variation.provider else "",
            model_key=variation.model_key,
            model_version=variation.model_version,
            referee=self._referee,
            signer=self._signer,
        )

    def _track(self, name: str, context: Context, data: object) -> None:
        try:
            self._ld_client.track(name, context, data, 1)
        except Exception as error:  # noqa: BLE001  # an event about ourselves is no reason to fail
            _log.warning("LaunchDarkly's client raised %s; the event %s was lost", _kind(error), name)


def _served_default(default: AIConfigDefault) -> dict[str, Any]:
    """Write the default for the base SDK, which sends it along in its own events: a copy, and strict JSON."""
    if default is _DISABLED:
        return {"_ldMeta": {"enabled": False}}
    try:
        copy: dict[str, Any] = json.loads(json.dumps(default.to_dict(), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return {"_ldMeta": {"enabled": default.enabled}}
    return copy


def _interpolate(
    key: str, messages: list[Message] | None, context: Context, variables: Mapping[str, Any] | None
) -> list[Message] | None:
    if messages is None or not any("{{" in message.content for message in messages):
        return messages
    try:
        scope = {**(variables or {}), "ldctx": context.to_dict()}
    except Exception as error:  # noqa: BLE001  # variables of a class of their own may do as they like
        _log.warning(
            "AI Config %r: its messages are left as they are: reading the variables raised %s", key, _kind(error)
        )
        return messages
    allowance = Allowance()
    return [_interpolate_message(key, index, message, scope, allowance) for index, message in enumerate(messages)]


def _interpolate_message(
    key: str, index: int, message: Message, scope: Mapping[str, Any], allowance: Allowance
) -> Message:
    try:
        return Message(message.role, render(message.content, scope, allowance))
    except Exception as error:  # noqa: BLE001  # whatever the reason: the message stays as it is
        _log.warning("AI Config %r: messages[%d] is left as it is: its template raised %s", key, index, _kind(error))
        return message


def _kind(error: Exception) -> str:
    return type(error).__name__
