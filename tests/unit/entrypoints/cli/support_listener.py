"""An operators' listener that says what a test wants it to."""

import httpx
import pytest


class Listener:
    """Stands in for `httpx.request`: answers with `status` and `body`, or raises `error`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.urls: list[str] = []
        self.methods: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        self.error: Exception | None = None
        monkeypatch.setattr(httpx, "request", self._request)

    def _request(self, method: str, url: str, **_: object) -> httpx.Response:
        self.methods.append(method)
        self.urls.append(url)
        if self.error is not None:
            raise self.error
        return httpx.Response(404 if self.body is None else self.status, content=self.body or b"")
