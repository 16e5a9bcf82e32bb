"""boto3's event streams, and aiobotocore's, measured to their end."""

from __future__ import annotations

from typing import Any

from ldai_core.stream import AsyncTrackedIterable, TrackedIterable

__all__ = ["AsyncTrackedEventStream", "TrackedEventStream"]


class TrackedEventStream(TrackedIterable[Any]):
    """An `EventStream` that ends `call` when it ends, however that comes about: see `TrackedStream`."""

    __slots__ = ()

    def get_initial_response(self) -> Any:
        """Take the first event; fails where that is no initial response, as with all of Bedrock's."""
        try:
            return self._stream.get_initial_response()
        except BaseException as error:
            if not _is_absent(error):
                self._call.end(error)
            raise


class AsyncTrackedEventStream(AsyncTrackedIterable[Any]):
    """Same as TrackedEventStream, but for `async for`."""

    __slots__ = ()

    def __iter__(self) -> Any:
        return iter(self._stream)  # which says what to use instead

    async def get_initial_response(self) -> Any:
        """Take the first event, likewise."""
        try:
            return await self._stream.get_initial_response()
        except BaseException as error:
            if not _is_absent(error):
                self._call.end(error)
            raise


def _is_absent(error: BaseException) -> bool:
    # By its name, for neither botocore nor aiobotocore is imported here.
    return type(error).__name__ == "NoInitialResponseError"
