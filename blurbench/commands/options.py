"""Options and values that several commands share."""

import json
import math
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from blurbench.engine import Workers
from blurbench.errors import UserError
from blurbench.files import load_json
from blurbench.stores.open import is_url
from blurbench.words import meant

FOLDER = click.Path(path_type=Path)
YEAR = 525_600.0  # minutes


class MinutesRange(click.FloatRange):
    """Minutes above 0, a year at most: what a clock can wait for."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; nan, which lies in no range and out of none, is refused."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is no number of minutes.", param, ctx)
        return found


MINUTES = MinutesRange(0, YEAR, min_open=True)


class OneOf(click.Choice):  # type: ignore[type-arg]  # before click 8.4 it takes no type
    """One of some names; of one that is nearly right, which was meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name, or click's kind of error."""
        if value not in self.choices:
            names = list(map(str, self.choices))
            told = f"{value!r} is not one of {', '.join(names)}{meant(str(value), names)}"
            self.fail(told, param, ctx)
        return value


class FolderOrUrl(click.Path):
    """A folder as a Path; a URL stays text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A Path would make one slash of the two in s3://bucket."""
        return value if is_url(value) else super().convert(value, param, ctx)


PLACE = FolderOrUrl(path_type=Path)


def parse_named(path: Path) -> tuple[str | None, Path]:
    """NAME=FOLDER as both; a folder that is called so has no name."""
    name, _, folder = str(path).partition("=")
    return (name, Path(folder)) if name and folder and not path.exists() else (None, path)


def parse_share(place: Path | str) -> tuple[Path | str, float | None]:
    """PLACE=0.3 as both; a folder that is called so, and what ends in no number, has no share."""
    before, _, told = str(place).rpartition("=")
    try:
        share = float(told)
    except ValueError:
        return place, None
    if not before or (isinstance(place, Path) and place.exists()):
        return place, None
    return before if is_url(before) else Path(before), share


def many_workers(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that spreads its work, which gets them as one `workers`."""

    @click.option(
        "--workers", type=click.IntRange(1), help="Processes of one thread each; default: this one."
    )
    @click.option("--scheduler", help="Address of a running Dask scheduler.")
    @wraps(command)
    def spread(workers: int | None, scheduler: str | None, **options: Any) -> Any:
        asked = Workers(workers or 1, scheduler, apart=workers is not None)
        return command(workers=asked, **options)

    return spread


def same_command(context: click.Context, **changed: Any) -> list[str]:
    """The words that run a command once more, with some options `changed` (None: left out)."""
    words: list[str] = []
    for parameter in context.command.params:
        value = {**context.params, **changed}.get(str(parameter.name))
        if value is None or value is False:
            continue
        words += [parameter.opts[0]] if isinstance(parameter, click.Option) else []
        if value is not True:
            words.append(str(value.absolute() if isinstance(value, Path) else value))
    return [sys.executable, "-m", "blurbench", str(context.command.name), *words]


def of_weights(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose weights a --checkpoint holds that is a file and no run; --preset goes with --model."""

    @click.option("--model", help="Whose weights --checkpoint holds, if it is a file.")
    @click.option("--preset", help="Of that --model.  [default: paper]")
    @wraps(command)
    def whose(model: str | None, preset: str | None, **options: Any) -> Any:
        if preset is not None and model is None:
            raise click.UsageError("--preset is that of a --model; give both, or leave it out.")
        return command(model=model, preset=preset or "paper", **options)

    return whose


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE pairs; a value that reads as JSON is that, anything else is text."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write it as KEY=VALUE")
        parsed[key] = _parsed(setting, value)
    return parsed


def _parsed(setting: str, value: str) -> Any:
    try:
        return load_json(value.encode(errors="surrogatepass"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return value
    except (ValueError, RecursionError) as error:  # such as a number of 5,000 digits, or NaN
        raise UserError(f"--set {setting:.60}: {error}") from None


def parse_tools(using: tuple[str, ...]) -> dict[str, str]:
    """TOOL=VALUE pairs."""
    pairs = [item.partition("=") for item in using]
    if wrong := [tool for tool, equals, value in pairs if not (equals and value)]:
        raise UserError(f"--using {wrong[0]}: write it as TOOL=VALUE")
    return {tool: value for tool, _, value in pairs}
