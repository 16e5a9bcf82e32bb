"""The scripted server, for requests that are forms with files, and for answers that are no JSON."""

from __future__ import annotations

import json
from typing import Any

from tests.servers.openai import Answer, ScriptedOpenAI, _OpenAIHandler

__all__ = ["FormsServer", "text"]


class _FormsHandler(_OpenAIHandler):
    def body(self) -> bytes:
        """Read the request's body; of a form, only that it is one."""
        body = super().body()
        is_form = "multipart" in self.headers.get("Content-Type", "")
        return json.dumps({"form": len(body)}).encode() if is_form else body

    def answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON, or with bytes of some other type."""
        if not isinstance(body, dict) or "bytes" not in body:
            super().answer(status, body, headers)
            return
        content = body["bytes"]
        self.send_response(status)
        self.send_header("Content-Type", body["content_type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class FormsServer(ScriptedOpenAI):
    """Takes forms, too, and answers with `text`, too."""

    handler = _FormsHandler


def text(content: str | bytes, content_type: str = "text/plain; charset=utf-8") -> Answer:
    """Make an answer that is no JSON."""
    return Answer({"bytes": content.encode() if isinstance(content, str) else content, "content_type": content_type})
