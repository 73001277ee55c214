"""The head of a request: one join, framing from `body` and `length`, no line break smuggled in."""

from talaria.domain.http import UpstreamRequest


class RequestHeads:
    """Writes the heads of the requests to one authority. Keeps the first line's ends of the usual methods."""

    __slots__ = ("_end", "_methods")

    def __init__(self, authority: bytes) -> None:
        self._end = b" HTTP/1.1\r\nhost: " + authority
        names = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        self._methods = {name: name.encode() + b" " for name in names}

    def head_of(self, outbound: UpstreamRequest) -> bytes:
        """The head, the empty line included.

        Raises ValueError where a header or the target holds a line break or the target a space: never sent.
        """
        headers = outbound.headers
        framing = outbound.framing()
        if framing is not None:
            headers = [*headers, framing]
        method = self._methods.get(outbound.method) or outbound.method.encode("ascii") + b" "
        first = method + outbound.target + self._end
        head = b"\r\n".join([first, *map(b": ".join, headers), b"\r\n"])
        lines = len(headers) + 3
        if head.count(b"\n") != lines or head.count(b"\r") != lines or first.count(b" ") != 3:
            raise ValueError("a request head with a line break inside a line")
        return head
