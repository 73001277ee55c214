"""What goes wrong between this client and a peer, in the words of httpcore. Each says whether the request was sent.

    Http1Error
    ├── ConnectError            refused, no route, unknown name, TLS, the egress proxy
    ├── ConnectTimeout          no connection in time
    ├── PoolExhausted           the limits of the pool or of this machine: no connection to be had
    ├── ConnectionClosed        the peer closed or reset the connection before the end of its response
    ├── RemoteProtocolError     the response is not HTTP/1.1 as RFC 9112 wants it
    ├── LocalProtocolError      a request head that can't be written
    │   └── BodyLengthMismatch  the request's body is shorter or longer than its length
    ├── ReadTimeout             no response head in time, or silence inside its body
    └── WriteTimeout            the peer did not take the request's body in time

The text of an error is a short cause for operators: no name, no address, no byte of the peer.
"""


class Http1Error(Exception):
    """`request_sent`: a byte of the request may have reached the peer. False makes any request safe to send again."""

    request_sent = True

    def __init__(self, cause: str = "", *, request_sent: bool | None = None) -> None:
        super().__init__(cause)
        if request_sent is not None:
            self.request_sent = request_sent


class ConnectError(Http1Error):
    """No connection."""

    request_sent = False


class ConnectTimeout(Http1Error):
    """No connection in time."""

    request_sent = False


class PoolExhausted(Http1Error):
    """Too many requests wait for a connection, or this machine has no socket left."""

    request_sent = False


class ConnectionClosed(Http1Error):
    """The connection ended before the response did."""


class RemoteProtocolError(Http1Error):
    """The response is malformed, ambiguous or too large in its head."""


class LocalProtocolError(Http1Error):
    """The request can't be written as HTTP/1.1."""

    request_sent = False


class BodyLengthMismatch(LocalProtocolError):
    """The request's body is not as long as its length says."""

    request_sent = True


class ReadTimeout(Http1Error):
    """The peer was silent for too long."""


class WriteTimeout(Http1Error):
    """The peer took too long to take the request's body."""
