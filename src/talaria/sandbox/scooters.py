"""A scooter rental: the part of the simulated talaria-services that an app would call."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream


class StartRide(msgspec.Struct):
    """Which scooter?"""

    scooter_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


def _rider(request: Request[Any, Any, Any]) -> str:
    """The user id, in the one header that the partner has for it."""
    return next((value for name, value in request.headers.items() if name.endswith("-user-id")), "")


@get("/v1/scooters/nearby", sync_to_thread=False)
def nearby(
    request: Request[Any, Any, Any], lat: FromQuery[float] = 52.5, lon: FromQuery[float] = 13.4
) -> dict[str, Any]:
    """Some scooters round a place."""
    scooters = [
        {"id": f"scooter-{number}", "lat": lat + number / 1000, "lon": lon - number / 1000, "battery": 100 - 7 * number}
        for number in range(1, 6)
    ]
    return {"user_id": _rider(request), "scooters": scooters}


@post("/v1/rides", sync_to_thread=False)
def start_ride(data: JSONBody[StartRide], request: Request[Any, Any, Any]) -> dict[str, str]:
    """Unlock a scooter (201)."""
    return {"ride_id": uuid.uuid4().hex, "scooter_id": data.scooter_id, "user_id": _rider(request), "state": "riding"}


@post("/v1/rides/{ride_id:str}/end", status_code=200, sync_to_thread=False)
def end_ride(ride_id: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Lock it again."""
    return {"ride_id": ride_id, "user_id": _rider(request), "state": "ended", "price": {"EUR": "2.40"}}


@get("/v1/rides/{ride_id:str}/events", sync_to_thread=False)
def ride_events(ride_id: FromPath[str], count: FromQuery[int] = 5, interval: FromQuery[float] = 0.2) -> Stream:
    """`count` server-sent events of a ride, one each `interval` seconds, the first at once."""
    positions = _positions(ride_id, count, interval)
    return Stream(positions, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _positions(ride_id: str, count: int, interval: float) -> AsyncIterator[str]:
    for number in range(count):
        if number:
            await asyncio.sleep(interval)
        data = json.dumps({"ride_id": ride_id, "number": number, "metres": 40 * number})
        yield f"event: position\ndata: {data}\n\n"


ROUTES = (nearby, start_ride, end_ride, ride_events)
