"""Draws the days of a summary as a picture that reads on a phone, also without colour.

The drawing library is slow to import and to draw: call it in a thread.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_INCHES = (6.4, 4.8)
_DPI = 150
_DARK, _LIGHT = "#17406d", "#9cc3e6"
_INK, _GRID = "#17202b", "#d5dbe3"
_WIDTH = 0.42
_NUMBER: dict[str, Any] = {
    "ha": "center",
    "va": "bottom",
    "fontsize": 13,
    "color": _INK,
    "xytext": (0, 3),
    "textcoords": "offset points",
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1},
}


@dataclass(frozen=True, slots=True)
class Chart:
    """Two rows of numbers, one pair a day, with the words that name them."""

    title: str
    days: tuple[str, ...]
    names: tuple[str, str]
    values: tuple[tuple[int, ...], tuple[int, ...]]


def draw_chart(chart: Chart) -> bytes:
    """A PNG of 960 by 720 pixels: pairs of bars, the numbers of the last day written above them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=0.15, w_pad=0.12)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(chart.days))
    left = [place - _WIDTH / 2 for place in places]
    right = [place + _WIDTH / 2 for place in places]
    first, second = chart.values
    # The hatch tells the bars apart where both colours are the same grey.
    axes.bar(left, first, _WIDTH, color=_LIGHT, edgecolor=_DARK, hatch="///", label=chart.names[0])
    axes.bar(right, second, _WIDTH, color=_DARK, edgecolor=_DARK, label=chart.names[1])
    for place, value in ((left[-1], first[-1]), (right[-1], second[-1])):
        axes.annotate(str(value), (place, value), **_NUMBER)
    axes.set_title(chart.title, fontsize=17, color=_INK, pad=14, loc="left", fontweight="bold")
    axes.set_xticks(list(places), labels=list(chart.days))
    axes.tick_params(labelsize=13, colors=_INK, length=0)
    axes.set_ylim(0, _ceiling([*first, *second]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.grid(axis="y", color=_GRID, linewidth=1)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, fontsize=14, frameon=False)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _ceiling(values: Sequence[int]) -> float:
    """A little more than the highest bar, and never nothing."""
    return max([4, *values]) * 1.15
