"""Which files from outside a metric reads."""

from collections.abc import Iterable, Mapping

from blurbench.metrics import find_metric
from blurbench.weights.places import Needed, files_meant, paths_of, state
from blurbench.weights.registry import OF_METRICS, OUTSIDE


def files_of(metrics: Iterable[str], using: Mapping[str, str]) -> list[Needed]:
    """What metrics read, and the tools of --using that are names or files."""
    reading: dict[str, list[str]] = {}  # name of weights -> the metrics that want them
    for metric in dict.fromkeys(metrics):
        for name in OF_METRICS.get(metric, ()):
            reading.setdefault(name, []).append(metric)
    own = [
        Needed(f"metric{'s' * (len(wanting) > 1)} {', '.join(wanting)}", path, name)
        for name, wanting in reading.items()
        for path in paths_of(OUTSIDE[name])
    ]
    return [*own, *(each for tool, value in using.items() for each in tool_files(tool, value))]


def needs_of(metric: str) -> list[str]:
    """Labels, tools, and the names of weights with whether they are here."""
    weights = [f"{name} ({state(OUTSIDE[name])})" for name in OF_METRICS.get(metric, ())]
    return [*find_metric(metric).needs, *weights]


def lacking() -> dict[str, list[str]]:
    """Metric -> the names of weights that it lacks."""
    found = {
        metric: [name for name in names if state(OUTSIDE[name]) != "here"]
        for metric, names in OF_METRICS.items()
    }
    return {metric: names for metric, names in found.items() if names}


def tool_files(tool: str, value: str) -> list[Needed]:
    """What --using TOOL=VALUE reads, unless VALUE is `pixels` or a run folder."""
    return [] if value == "pixels" else files_meant(f"--using {tool}={value}", value)
