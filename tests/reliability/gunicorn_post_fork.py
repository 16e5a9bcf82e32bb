"""The one hook that no preloaded application can do without."""

from __future__ import annotations

from tests.reliability.gunicorn_hooks import post_fork

__all__ = ["post_fork"]
