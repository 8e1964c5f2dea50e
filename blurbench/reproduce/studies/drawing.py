"""Positions for the drawings of a study's page; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from blurbench.ranking.page.charts import (
    BOTTOM,
    DODGE,
    LEFT,
    RIGHT,
    TOP,
    Axis,
    Chart,
    Curve,
    spread_out,
)
from blurbench.ranking.statistics import Estimate
from blurbench.reproduce.studies.effects import Answer
from blurbench.reproduce.studies.octaves import Reach

EDGE, ABOVE = 24, 30  # of the drawing of effects, in units of its view box


@dataclass(frozen=True)
class Layout:
    """How wide the drawing of effects is, and where the names stand in it."""

    width: int
    row: int  # height of a contrast
    axis: int  # where it begins
    name: int  # y of a name, from its bar


WIDE = Layout(900, 44, 250, 4)
PHONE = Layout(400, 60, 0, -20)  # the names above the bars: 390 px show all of it


MOST_ARMS = 8  # that have a colour each


@dataclass(frozen=True)
class Bar:
    """A contrast: its interval, its mean, each seed's effect, and what is printed."""

    name: str
    y: float
    name_y: float
    mean: float | None
    low: float | None
    high: float | None
    seeds: list[float]
    printed: list[tuple[float, str]]  # with where it is printed
    primary: bool


@dataclass(frozen=True)
class Forest:
    """All contrasts of a study below each other, on one axis in dB."""

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    zero: float
    smallest: float
    width: float
    height: float


def forest(found: Sequence[Answer], layout: Layout = WIDE) -> Forest:
    """The drawing of a study's contrasts, the primary one first."""
    ends = [0.0, *(end for each in found for end in _ends(each))]
    ends += [each.contrast.smallest for each in found]
    axis = Axis(min(ends), max(ends), layout.axis + EDGE, layout.width - EDGE)
    above = ABOVE - min(0, layout.name)
    bars = [
        _bar(each, axis, above + layout.row * place, layout.name, not place)
        for place, each in enumerate(found)
    ]
    smallest = axis.place(found[0].contrast.smallest)
    height = above + layout.row * len(found) + EDGE
    return Forest(bars, axis.ticks(), axis.place(0), smallest, layout.width, height)


def _bar(answer: Answer, axis: Axis, y: float, name: float, primary: bool) -> Bar:
    effect, printed = answer.effect, answer.contrast.printed
    mean = effect.estimate if effect else None
    return Bar(
        answer.contrast.name,
        y,
        y + name,
        axis.place(mean.mean) if mean else None,
        axis.place(mean.low) if mean and mean.low is not None else None,
        axis.place(mean.high) if mean and mean.high is not None else None,
        [axis.place(value) for value in effect.seeds.values()] if effect else [],
        [(axis.place(one.value), f"{one.value:+g} dB, {one.where}") for one in printed],
        primary,
    )


def _ends(answer: Answer) -> list[float]:
    found = [one.value for one in answer.contrast.printed]
    if answer.effect:
        found += [*ends_of(answer.effect.estimate), *answer.effect.seeds.values()]
    return found


def octave_chart(reaches: Sequence[Reach]) -> Chart:
    """A curve an arm: its gain over the blurred pictures in each octave."""
    shown = reaches[:MOST_ARMS]
    octaves = [*shown[0].gains]
    places = Axis(0, len(octaves) - 1, LEFT + 16, RIGHT - 16)
    gains = [gain.estimate for one in shown for gain in one.gains.values() if gain]
    ends = [
        0.0,
        *(end for gain in gains for end in (gain.low, gain.mean, gain.high) if end is not None),
    ]
    axis = Axis(min(ends) - 0.1, max(ends) + 0.1, BOTTOM - 8, TOP + 8)
    lines = []
    for number, one in enumerate(shown):
        aside = DODGE * (number - (len(shown) - 1) / 2)
        points = [
            {"x": places.place(place) + aside, **_point(gain.estimate, axis)}
            for place, gain in enumerate(one.gains.values())
            if gain
        ]
        lines.append((one.arm, number + 1, points))
    names = spread_out([points[-1]["y"] for _, _, points in lines])
    ticks = [(places.place(n), f"{low:g}\u2013{high:g}") for n, (low, high) in enumerate(octaves)]
    curves = [Curve(*line, y) for line, y in zip(lines, names, strict=True)]
    left_out = len(reaches) - len(shown)
    title = "PSNR gained over the blurred pictures, dB"
    return Chart(title, "mean length of the blur, px", ticks, axis.ticks(), curves, left_out)


def ends_of(mean: Estimate) -> list[float]:
    """Mean and interval, as far as there is one."""
    return [end for end in (mean.low, mean.mean, mean.high) if end is not None]


def _point(gain: Estimate, axis: Axis) -> dict[str, float]:
    ends = {"y": gain.mean, "low": gain.low, "high": gain.high}
    return {name: axis.place(value) for name, value in ends.items() if value is not None}
