"""The rules. Standard library only: no I/O, no clock, no logging, no framework.

The life of a request, step by step, each step a file:

    1  routing      which route does its `x-api-tag` name?
    2  admission    whose token is it, and may this caller use this route?
    3  exchange     personal_phone_id -> phone number -> partner user id: kept, coalesced, stale on error
    4  shaping      headers out and back: strip, then add
       gateway      runs 1 to 4 and awaits the ports

Imports point one way: gateway -> the steps -> ports -> errors -> model. A step that says no raises one of
`errors`; nothing here knows how a refusal looks on the wire.
"""
