"""What we need of LaunchDarkly's SDK, and checks that an application hands in just that."""

from __future__ import annotations

from typing import Any, Protocol

from ldclient import Context

from ldai_core.arguments import check_type

__all__ = ["EventClient", "FlagClient", "check_client", "check_context"]


class EventClient(Protocol):
    """What a tracker needs of a LaunchDarkly client: `ldclient.LDClient`, or a double that has `track`.

    Source: https://launchdarkly-python-sdk.readthedocs.io/en/latest/api-main.html#ldclient.client.LDClient.track
    """

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Send one custom event."""
        ...


class FlagClient(EventClient, Protocol):
    """What an AIClient needs of a LaunchDarkly client: `ldclient.LDClient`, or a double with these two methods.

    Source: https://launchdarkly-python-sdk.readthedocs.io/en/latest/api-main.html
    """

    def variation(self, key: str, context: Context, default: Any) -> Any:
        """Evaluate a flag."""
        ...


def check_context(context: Context) -> Context:
    """Return an `ldclient.Context`, valid or not: the base SDK says itself what is wrong with an invalid one."""
    return check_type("context", context, Context, "an ldclient.Context")


def check_client(ld_client: object, *methods: str) -> None:
    """Refuse a LaunchDarkly client that lacks one of `methods`; test doubles that have them are fine."""
    for method in methods:
        if not callable(getattr(ld_client, method, None)):
            raise TypeError(
                f"ld_client: expected a LaunchDarkly client with {' and '.join(methods)},"
                f" got {type(ld_client).__name__} without {method}"
            )
