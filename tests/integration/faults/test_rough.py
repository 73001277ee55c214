"""A few seconds of the soak, so that it can't rot: `make soak` does it for minutes."""

from tests.integration.faults.support_rough import check_books, rough_weather


async def test_books_agree_after_a_spell_of_rough_weather() -> None:
    async with rough_weather() as weather:
        await weather.spell(4.0)
        assert await check_books(weather) == []
        assert {("wind", 200, ""), ("held", 499, "client-gone")} < set(weather.books.lines)
        assert weather.books.failed
