"""The loop of every unit test: time jumps, threads are waited for, and what a callback raises is not lost."""

import asyncio
import os

import pytest

from tests.unit.support_time import JumpingLoop, clock, run


async def test_hours_pass_while_everything_waits() -> None:
    before = clock().time()
    await asyncio.sleep(3600)
    assert clock().time() == before + 3600


async def test_no_time_passes_while_something_runs() -> None:
    before = clock().time()
    for _ in range(100):
        await asyncio.sleep(0)
    assert clock().time() == before


async def test_what_is_there_already_comes_before_any_later_moment() -> None:
    reads, writes = os.pipe()
    arrived, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(reads, arrived.set)
    loop.call_later(1, os.write, writes, b"now")
    await asyncio.wait_for(arrived.wait(), 2)
    loop.remove_reader(reads)
    os.close(reads)
    os.close(writes)


async def test_a_thread_is_waited_for() -> None:
    assert await asyncio.to_thread(lambda: "said") == "said"


def test_what_a_callback_raises_is_raised_at_the_end() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: [][0])
        await asyncio.sleep(1)

    with pytest.raises(IndexError):
        run(main())


def test_a_loop_that_is_closed_well_raises_nothing() -> None:
    JumpingLoop().close()
