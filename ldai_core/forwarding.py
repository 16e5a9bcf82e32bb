"""An object that stands for another one, and forwards everything to it."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["Forwarding"]


class Forwarding:
    """Forwards every attribute to `_stream`, read, set or deleted, but for its own, which are its slots.

    `isinstance` sees the class of that object. What Python looks up on the class alone (`__iter__`, `__enter__`) is for
    a subclass to define.
    """

    __slots__ = ("__weakref__", "_stream")

    _own: ClassVar[frozenset[str]] = frozenset({"_stream"})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._own |= frozenset(vars(cls).get("__slots__", ()))

    def __init__(self, stream: Any) -> None:
        # Any: it is whatever it is.
        self._stream = stream

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The class of what it stands for, so that `isinstance` sees what it would see without us."""
        return self._stream.__class__  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_stream"), name)

    def __setattr__(self, name: str, value: object) -> None:
        # `typing` sets __orig_class__, which is ours to refuse.
        if name.startswith("__") or name in object.__getattribute__(self, "_own"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._stream, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._stream, name)

    def __repr__(self) -> str:
        return repr(self._stream)
