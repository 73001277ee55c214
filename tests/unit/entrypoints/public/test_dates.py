"""The `date` of our answers."""

from pytest_mock import MockerFixture

from talaria.entrypoints.public import dates


def test_it_is_written_once_a_second(mocker: MockerFixture) -> None:
    write = mocker.spy(dates, "formatdate")
    mocker.patch("talaria.entrypoints.public.dates.time").time.side_effect = [1e9, 1e9 + 0.9, 1e9 + 1]
    assert [dates.date_header() for _ in range(3)] == [
        (b"date", b"Sun, 09 Sep 2001 01:46:40 GMT"),
        (b"date", b"Sun, 09 Sep 2001 01:46:40 GMT"),
        (b"date", b"Sun, 09 Sep 2001 01:46:41 GMT"),
    ]
    assert write.call_count == 2
