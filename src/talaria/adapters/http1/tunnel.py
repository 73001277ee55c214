"""A tunnel through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6). No socket here."""

from talaria.adapters.http1.errors import ConnectError, RemoteProtocolError
from talaria.adapters.http1.response_head import ResponseHeadParser


class Tunnel:
    """Asks a proxy for a connection to `target` (host:port): send `request`, then `feed` what comes back."""

    __slots__ = ("_parser", "request")

    def __init__(self, target: bytes) -> None:
        self.request = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (target, target)
        self._parser = ResponseHeadParser()

    def feed(self, data: bytes) -> bool:
        """Is the tunnel open now? `data` is what the proxy sent, b"" at its end.

        Raises ConnectError for any response but a success with nothing behind it.
        """
        if not data:
            raise ConnectError("the egress proxy closed the connection")
        try:
            found = self._parser.read(data, to_head=True)
        except RemoteProtocolError as error:
            raise ConnectError(f"egress proxy: {error}") from None
        if found is None:
            return False
        head, surplus = found
        if not 200 <= head.status < 300:
            raise ConnectError(f"refused by the egress proxy: {head.status}")
        if surplus:  # the target has not been spoken to yet: these bytes can't be its own
            raise ConnectError("egress proxy: bytes after its response")
        return True
