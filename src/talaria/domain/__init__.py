"""The rules. Standard library only: no sockets, no logging, no framework. Time comes from the `Clock` port, waiting is
asyncio's.

The life of a request, in the order of `gateway.Gateway.handle`:

     1  headers         sort the request's headers: forwarded, consumed, dropped
     2  headers         the client's request id, or a new one (tracing)
     3  tracing         continue the client's trace, or begin one
     4  routing         the route that `x-api-tag` names
     5  routing         does the route take the method?
     6  authorization   the bearer token or API key -> a principal; the token itself is verified by a port
     7  authorization   may this caller use this route, from this network?
     8  rate_limits     has the caller, or the person, used up a limit?
     9  exchange        personal_phone_id -> phone number -> partner user id: cached, coalesced, stale on error
    10  forwarded       write `forwarded` and `x-forwarded-*`; with them the service token and our own headers
    11  gateway         send; once more with a fresh identity where the upstream does not know the user
    12  headers         filter the response's headers

What the steps decide alike for every request of one token is a `flow`, made by running them once, for the fast path.

Imports point one way: gateway -> the steps -> ports -> errors -> the values (events, http, model). A step that says no
raises one of `errors`; nothing here knows how a refusal looks on the wire.
"""
