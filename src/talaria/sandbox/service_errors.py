"""Errors of the simulated services: `{"code": ..., "message": ...}`, as the contracts' `Error` says."""

from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException


class ServiceError(HTTPException):
    """A simulated service's refusal: a status, a code, and headers if any; `body` is in place of code and message."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: dict[str, str] | None = None,
        body: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status_code=status, detail=message, headers=headers)
        self.code = code
        self.body = body or {"code": code, "message": message}


def render_service_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, str]]:
    """The exception handler of every simulated service. Litestar's own details can quote the input: left out."""
    if isinstance(error, ServiceError):
        content = error.body
    else:
        content = {"code": "bad_request", "message": "This is not a request of the contract."}
    return Response(content, status_code=error.status_code, headers=error.headers, media_type="application/json")
