"""Claims in Redis or Valkey: each metric of a run counts once, in however many processes."""

from __future__ import annotations

import os
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from ldai_core.arguments import check_number, check_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from typing_extensions import Self

__all__ = ["RedisClaims"]


class RedisClaims:
    """Keeps claims in Redis or Valkey, for `AIClient(ld_client, claims=RedisClaims(redis.Redis(...)))`.

    `client` is a `redis.Redis` or `redis.RedisCluster`, the synchronous ones: they are used in threads, so that event
    loops do not wait. A key, `prefix:ai-claims:{run id}:metric`, lasts for `ttl` seconds: a week, unless it is given,
    after which the same click would count again. All metrics that a run reports at once take one round trip.

    A claim may take `timeout` seconds; a store that is slow or gone costs a call no more than that, and one warning,
    and then metrics are sent all the same. What the client does by itself, waiting and trying again, goes on in the
    thread: give it a `socket_timeout`, as `from_url` does.

    Raises TypeError for a client that is asynchronous or no client, and TypeError or ValueError for a `ttl` or
    `timeout` that is no number above 0. Source: https://redis.io/docs/latest/commands/set/
    """

    DEFAULT_URL = "redis://localhost:6379/0"
    DEFAULT_PREFIX = "launchdarkly"

    def __init__(
        self, client: Any, *, prefix: str = DEFAULT_PREFIX, ttl: float = 7 * 24 * 3600, timeout: float = 0.25
    ) -> None:
        # Any: redis.Redis and redis.RedisCluster have no common type.
        pipeline, execute = getattr(client, "pipeline", None), getattr(client, "execute_command", None)
        if not callable(pipeline) or not callable(execute) or iscoroutinefunction(execute):
            kind = type(client)
            raise TypeError(
                f"client: expected a redis.Redis or redis.RedisCluster, got {kind.__module__}.{kind.__name__}"
            )
        self._client = client
        self._prefix = check_text("prefix", prefix)
        self._ttl_ms = max(1, int(check_number("ttl", ttl) * 1000))
        self.timeout = check_number("timeout", timeout)

    @classmethod
    def from_url(
        cls,
        url: str = DEFAULT_URL,
        *,
        prefix: str = DEFAULT_PREFIX,
        ttl: float = 7 * 24 * 3600,
        timeout: float = 0.25,
        redis_opts: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make the client too, with options that `redis.Redis.from_url` takes. Its sockets wait for `timeout` at most.

        Raises ImportError without the `redis` package.
        Source: https://redis.readthedocs.io/en/stable/connections.html
        """
        try:
            from redis import Redis  # noqa: PLC0415  # the extra `redis`
        except ImportError as error:
            raise ImportError('RedisClaims needs redis: pip install "ldai-adapters[redis]"') from error
        check_number("timeout", timeout)
        options = {"socket_timeout": timeout, "socket_connect_timeout": timeout, **(redis_opts or {})}
        return cls(Redis.from_url(url, **options), prefix=prefix, ttl=ttl, timeout=timeout)

    def claim(self, run_id: str, metrics: Sequence[str]) -> Collection[str]:
        """Claim these metrics of this run, and return those that nobody had claimed before.

        Raises what the client raises. A command that the client sends again, because the answer was lost, finds its
        own claim: the value of a key says whose it is.
        """
        ours = os.urandom(8).hex()
        with self._client.pipeline(transaction=False) as pipe:
            for metric in metrics:
                # In braces is what a cluster places keys by: those of a run are on one node.
                key = f"{self._prefix}:ai-claims:{{{run_id.lower()}}}:{metric}"
                pipe.set(key, ours, nx=True, px=self._ttl_ms)
                pipe.get(key)
            owners = pipe.execute()[1::2]
        return [metric for metric, owner in zip(metrics, owners, strict=True) if owner in {ours, ours.encode(), None}]
