"""The tracker: reports the metrics of one AI run to LaunchDarkly, each at most once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from inspect import iscoroutinefunction
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from ldai_core.arguments import check_text, check_type
from ldai_core.endings import defer, start
from ldai_core.fork import suspects, warn_of_fork
from ldai_core.launchdarkly import EventClient, check_client, check_context
from ldai_core.metrics import EVENTS, RECORDED, FeedbackKind, Metrics, MetricSummary, TokenUsage, clean_usage
from ldai_core.resumption import ResumptionToken
from ldai_core.run_id import new_run_id
from ldai_core.values import shown, whole_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ldclient import Context
    from typing_extensions import Self

    from ldai_core.claims import Referee
    from ldai_core.signing import TokenSigner

__all__ = ["AIConfigTracker"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


class AIConfigTracker:
    """Reports one AI run to LaunchDarkly, each metric at most once.

    Every tracker is one run: its `run_id` is on all its events. A second call for a metric sends nothing,
    changes nothing, and logs one warning; the metrics of different runs cannot be combined. For the next run call
    `create_tracker` on the AI Config again. Trackers may be shared between threads.

    No method raises because of LaunchDarkly: when the client's `track` does, one warning names the
    exception's type, and the metric counts as recorded. A value that may not leave (a negative duration, say) is one
    warning too, and the metric stays open.

    Trackers come from `AIConfig.create_tracker` and `AIClient.create_tracker`, which hand on the client's claims and
    secret (`referee`, `signer`). One made by hand with a `run_id` that is no UUID works, but its resumption token
    cannot be read back.

    With claims, a metric that another tracker of the same run has claimed is skipped, with a warning too. Where an
    event loop runs in the calling thread it must not wait for a store: another thread sends the events, soon.
    """

    __slots__ = (
        "_data",
        "_facts",
        "_ld_client",
        "_recorded",
        "_referee",
        "_signer",
        "_token",
        "_tool_calls",
        "config_key",
        "context",
        "graph_key",
        "model_key",
        "model_name",
        "model_version",
        "provider_name",
        "run_id",
        "variation_key",
        "version",
    )

    _data: dict[str, str | int] | None
    _token: str | None
    # The guards. A metric is claimed by putting a tuple here that is nobody else's, which is atomic.
    _recorded: dict[str, tuple[Any]]
    _tool_calls: list[str]

    def __init__(  # noqa: PLR0913  # the facts of a run, by keyword
        self,
        *,
        ld_client: EventClient,
        run_id: str,
        config_key: str,
        variation_key: str | None,
        version: int,
        context: Context,
        model_name: str | None,
        provider_name: str | None,
        model_key: str | None = None,
        model_version: int | None = None,
        graph_key: str | None = None,
        referee: Referee | None = None,
        signer: TokenSigner | None = None,
    ) -> None:
        check_client(ld_client, "track")
        self._ld_client = ld_client
        self._referee = referee
        self._signer = signer
        self.run_id = check_text("run_id", run_id)
        self.config_key = check_text("config_key", config_key)
        self.variation_key = variation_key or ""
        self.version = check_type("version", version, int, "an int")
        self.context = check_context(context)
        self.model_name = model_name or ""
        self.provider_name = provider_name or ""
        self.model_key = model_key
        self.model_version = model_version
        self.graph_key = graph_key
        self._facts = self._event_facts()
        self._begin()

    def for_new_run(self) -> AIConfigTracker:
        """Return a tracker of another run of the same config: a `run_id` of its own, and nothing recorded."""
        tracker = object.__new__(AIConfigTracker)
        tracker.run_id = new_run_id()
        tracker.config_key = self.config_key
        tracker.variation_key = self.variation_key
        tracker.version = self.version
        tracker.context = self.context
        tracker.model_name = self.model_name
        tracker.provider_name = self.provider_name
        tracker.model_key = self.model_key
        tracker.model_version = self.model_version
        tracker.graph_key = self.graph_key
        tracker._ld_client = self._ld_client
        tracker._referee = self._referee
        tracker._signer = self._signer
        tracker._facts = self._facts
        tracker._begin()
        return tracker

    @classmethod
    def from_resumption_token(cls, token: str, ld_client: EventClient, context: Context) -> Self:
        """Go on with the run that `token` names, on behalf of `context`.

        Events carry the run's own `runId`; a token does not hold model and provider, so their names are empty. What
        the first process recorded is not known here: record what it did not, feedback above all.

        Tokens of an AIClient with a secret are for `AIClient.create_tracker`: here no signature is asked for, nor
        checked. Raises InvalidResumptionToken (a ValueError) for a token that cannot be read.
        """
        return cls.resume(ResumptionToken.decode(token), ld_client, context)

    @classmethod
    def resume(
        cls,
        read: ResumptionToken,
        ld_client: EventClient,
        context: Context,
        *,
        referee: Referee | None = None,
        token: str | None = None,
    ) -> Self:
        """Go on with the run of a token that has been read; `token` is its text, if it is to be handed on as it is."""
        tracker = cls(
            ld_client=ld_client,
            run_id=read.run_id,
            config_key=read.config_key,
            variation_key=read.variation_key,
            version=read.version,
            context=context,
            model_name="",
            provider_name="",
            graph_key=read.graph_key,
            referee=referee,
        )
        tracker._token = token
        return tracker

    @property
    def resumption_token(self) -> str:
        """What carries this run to another process: see `AIClient.create_tracker`. Made once, when first asked for."""
        if self._token is None:
            token = ResumptionToken(self.run_id, self.config_key, self.version, self.variation_key, self.graph_key)
            self._token = token.encode() if self._signer is None else self._signer.encode(token)
        return self._token

    @property
    def summary(self) -> MetricSummary:
        """What has been recorded on this tracker so far."""
        recorded = {metric: box[0] for metric, box in self._recorded.copy().items()}
        return MetricSummary(
            duration_ms=recorded.get("duration_ms"),
            time_to_first_token_ms=recorded.get("time_to_first_token_ms"),
            success=recorded.get("success"),
            tokens=recorded.get("tokens"),
            feedback=recorded.get("feedback"),
            tool_calls=tuple(self._tool_calls),
            resumption_token=self.resumption_token,
        )

    def _begin(self) -> None:
        self._data = None
        self._token = None
        self._recorded = {}
        self._tool_calls = []

    def track_duration(self, duration_ms: float) -> None:
        """Record how long the run took: milliseconds >= 0, rounded down to whole ones."""
        whole = whole_ms(duration_ms)
        if whole is None:
            self._refuse("track_duration", "a finite number of milliseconds >= 0", duration_ms)
        else:
            self._record("duration_ms", whole)

    def track_duration_of(self, func: Callable[[], T]) -> T:
        """Call `func`, record how long it took, also when it raises, and return what it returned.

        A second time, `func` is called again and its duration dropped, with a warning. `func` is an ordinary
        function: a TypeError refuses a coroutine function, which would be timed without being run.
        """
        if iscoroutinefunction(func):
            raise TypeError("func: expected an ordinary function, got a coroutine function; use track_metrics_of_async")
        start_ns = perf_counter_ns()
        try:
            return func()
        finally:
            self.track_duration((perf_counter_ns() - start_ns) / 1_000_000)

    def track_time_to_first_token(self, time_to_first_token_ms: float) -> None:
        """Record when the first output arrived: milliseconds >= 0 from just before the request, rounded down."""
        whole = whole_ms(time_to_first_token_ms)
        if whole is None:
            self._refuse("track_time_to_first_token", "a finite number of milliseconds >= 0", time_to_first_token_ms)
        else:
            self._record("time_to_first_token_ms", whole)

    def track_tokens(self, tokens: TokenUsage) -> None:
        """Record the token usage: one event for each count above zero.

        A count that is no whole number >= 0 is dropped alone, with a warning. Without any count there is no event,
        and the metric stays open.
        """
        if not isinstance(tokens, TokenUsage):
            self._refuse("track_tokens", "a TokenUsage", tokens)
            return
        usage, dropped = clean_usage(tokens)
        for name in dropped:
            self._refuse("track_tokens", f"a whole number >= 0 as {name}", getattr(tokens, name))
        if usage.total or usage.input or usage.output:
            self._record("tokens", usage)

    def track_success(self) -> None:
        """Record that the run succeeded. Success and error share one guard: whichever comes first stays."""
        self._record("success", True)

    def track_error(self) -> None:
        """Record that the run failed. Success and error share one guard: whichever comes first stays."""
        self._record("success", False)

    def track_feedback(self, kind: FeedbackKind | str) -> None:
        """Record what the user thought: a FeedbackKind, or its value "positive" or "negative".

        Raises ValueError for anything else; the metric stays open then.
        """
        try:
            feedback = FeedbackKind(kind)
        except ValueError:
            expected = "FeedbackKind.POSITIVE, FeedbackKind.NEGATIVE, 'positive' or 'negative'"
            raise ValueError(f"kind: expected {expected}, got {shown(kind)}") from None
        self._record("feedback", feedback)

    def track_tool_call(self, key: str) -> None:
        """Record that the model asked for the tool `key`; each call of this method is one event."""
        self.track_tool_calls((key,))

    def track_tool_calls(self, keys: Iterable[str]) -> None:
        """Record several tool calls, one event each; a bare string is one key.

        A key that is no non-empty string is skipped, with a warning.
        """
        if isinstance(keys, str):
            keys = (keys,)
        if not isinstance(keys, Iterable):
            self._refuse("track_tool_calls", "tool keys", keys)
            return
        tool_calls = []
        for key in keys:
            if _is_tool_key(key):
                tool_calls.append(key)
            else:
                self._refuse("track_tool_calls", "a non-empty string as tool key", key)
        self._tool_calls += tool_calls
        self._warn(self._send({}, tool_calls))

    def report(self, metrics: Metrics) -> Exception | None:
        """Record several metrics in one step: what a run does when it is over.

        All guards are claimed before the first event is sent; a metric that was recorded before is skipped with its
        warning, and the others are sent. The values are taken as they are: see `ldai_core.values`.
        Returns an exception that the LaunchDarkly client raised, if it did; the remaining events are sent all the same.
        """
        claimed = {
            metric: value for metric, value in metrics.items() if metric != "tool_calls" and self._claim(metric, value)
        }
        tool_calls = metrics.get("tool_calls", ())
        self._tool_calls += tool_calls
        return self._refer(claimed, tool_calls)

    def _record(self, metric: str, value: object) -> None:
        if self._claim(metric, value):
            self._warn(self._refer({metric: value}))

    def _refer(self, claimed: Mapping[str, object], tool_calls: Sequence[str] = ()) -> Exception | None:
        """Send what is claimed on this tracker, and, where there is a referee, for this run."""
        referee = self._referee
        if referee is None or not claimed:
            return self._send(claimed, tool_calls)
        ask = partial(self._ask, referee, claimed, tool_calls, referee.until())
        if not (referee.blocks and _is_in_event_loop()):
            return ask()
        start()
        defer(lambda: self._warn(ask()))
        return None

    def _ask(
        self, referee: Referee, claimed: Mapping[str, object], tool_calls: Sequence[str], until: float
    ) -> Exception | None:
        mine = claimed
        try:
            granted = referee.claim(self.run_id, list(claimed), until)
            mine = {metric: value for metric, value in claimed.items() if metric in granted}
        finally:  # Ctrl-C while the store is waited for is no reason to lose an event
            failure = self._send(mine, tool_calls)
        for metric, value in claimed.items():
            if metric not in mine:
                self._skip(metric, value, "for this run by another tracker. Each metric of a run counts once.")
                self._recorded[metric] = (None,)
        return failure

    def _send(self, metrics: Mapping[str, Any], tool_calls: Sequence[str] = ()) -> Exception | None:
        if suspects:
            warn_of_fork(self._ld_client)
        track, context, data = self._ld_client.track, self.context, self._data or self._run_data()
        failure: Exception | None = None
        for metric, value in metrics.items():
            for name, number in EVENTS[metric](value):
                try:
                    track(name, context, data, number)
                except Exception as error:  # noqa: BLE001  # whatever a client raises is not the application's concern
                    failure = error
        for key in tool_calls:
            try:
                track("$ld:ai:tool_call", context, {**data, "toolKey": key}, 1)
            except Exception as error:  # noqa: BLE001  # likewise
                failure = error
        return failure

    def _warn(self, failure: Exception | None) -> None:
        if failure is not None:
            kind = type(failure).__name__
            _log.warning("LaunchDarkly's client raised %s; an event of an AI run was lost. %s", kind, self._run_data())

    def _claim(self, metric: str, value: object) -> bool:
        box = (value,)
        if self._recorded.setdefault(metric, box) is box:
            return True
        self._skip(metric, value, "on this tracker. Call create_tracker on the AI Config for a new run.")
        return False

    def _skip(self, metric: str, value: object, where: str) -> None:
        method, what = RECORDED[metric]
        if metric == "success" and not value:
            method = "track_error"
        _log.warning("Skipping %s: %s already recorded %s %s", method, what, where, self._run_data())

    def _run_data(self) -> dict[str, str | int]:
        # One dict for all events of the run: the base SDK keeps a reference until it flushes.
        if self._data is None:
            self._data = {"runId": self.run_id, **self._facts}
        return self._data

    def _event_facts(self) -> dict[str, str | int]:
        """Write the part of the run data that all runs of a config share. Source: docs/contract.md, Events."""
        facts: dict[str, str | int] = {
            "configKey": self.config_key,
            "version": self.version,
            "modelName": self.model_name,
            "providerName": self.provider_name,
        }
        if self.variation_key:
            facts["variationKey"] = self.variation_key
        if self.model_key:
            facts["modelKey"] = self.model_key
        if self.model_version is not None:
            facts["modelVersion"] = self.model_version
        if self.graph_key:
            facts["graphKey"] = self.graph_key
        return facts

    def _refuse(self, method: str, expected: str, value: object) -> None:
        _log.warning("Ignoring %s: expected %s, got %s. %s", method, expected, shown(value), self._run_data())


def _is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_tool_key(key: object) -> TypeGuard[str]:
    return isinstance(key, str) and key != ""
