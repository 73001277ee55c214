"""What a connection knows of the pool that keeps it."""

from typing import TYPE_CHECKING, Protocol

from talaria.adapters.http1.write_batcher import Outbox

if TYPE_CHECKING:
    from talaria.adapters.http1.connection import Connection


class Keeper(Protocol):
    """Who keeps idle connections: the pool."""

    outbox: Outbox

    def release(self, connection: "Connection") -> None:
        """The connection is IDLE."""

    def forget(self, connection: "Connection") -> None:
        """The connection is CLOSED."""
