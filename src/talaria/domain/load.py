"""How much this process has to do, and what it no longer takes on."""

from talaria.domain.errors import GatewayOverloaded

_COLD_SHARE = 0.8
_RETRY_AFTER = 1.0


class Load:
    """Counts the requests under way, `limit` at most. Those that need an exchange are refused before the others."""

    def __init__(self, limit: int) -> None:
        self.in_flight = 0
        self.limit_to(limit)

    def limit_to(self, limit: int) -> None:
        """Take this many from now on."""
        self._limit = limit
        self._cold_limit = max(1, int(limit * _COLD_SHARE))

    def enter(self) -> None:
        """One request more, to be followed by `leave`. Raises GatewayOverloaded at the limit."""
        if self.in_flight >= self._limit:
            raise GatewayOverloaded("server.max_in_flight", retry_after=_RETRY_AFTER)
        self.in_flight += 1

    def leave(self) -> None:
        """One request fewer."""
        self.in_flight -= 1

    def refuse_cold(self) -> None:
        """Raises GatewayOverloaded where the rest of the room is for requests whose identity is kept."""
        if self.in_flight > self._cold_limit:
            raise GatewayOverloaded("server.max_in_flight, for a cold request", retry_after=_RETRY_AFTER)
