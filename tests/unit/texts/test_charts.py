"""A chart is a PNG of one size, whatever the numbers."""

import struct

import pytest

from bot.texts.charts import Chart, draw_chart

DAYS = tuple(str(day) for day in range(1, 15))


@pytest.mark.parametrize("most", [0, 1, 7, 100_000])
def test_a_chart_is_a_picture_of_one_size(most: int) -> None:
    values = ((most,) * 14, (0,) * 14)
    drawn = draw_chart(Chart("Enviados y pagados", DAYS, ("Enviados", "Pagados"), values))
    assert drawn.startswith(b"\x89PNG")
    assert struct.unpack(">II", drawn[16:24]) == (960, 720)


def test_different_numbers_are_different_pictures() -> None:
    one, other = (
        draw_chart(Chart("Día", DAYS, ("a", "b"), ((number,) * 14, (1,) * 14))) for number in (2, 3)
    )
    assert one != other
