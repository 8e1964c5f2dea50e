"""The run folder: the names of its files, what config.json holds, and that it stays one run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from blurbench.errors import UserError
from blurbench.files import parse_json, read_regular, write_json
from blurbench.out_folder import Claim, refuse
from blurbench.schemas import parse_as
from blurbench.schemas.seals import SEAL, refuse_broken, sealed
from blurbench.stores.folder import Folder

CONFIG, LOG, VOCABULARY = "config.json", "log.jsonl", "vocabulary.json"  # the last: of captioners
# What deblur and evaluate read: best by the validation metric, averaged where ema is on, and there
# after the first look. The last weights, as trained, are there after the last step.
BEST, LAST = "model.safetensors", "last.safetensors"
WRITTEN = "weights.json"  # which files of these two names are its own
CHECKPOINTS, SAMPLES, TENSORBOARD = "checkpoints", "samples", "tensorboard"  # folders
# Where a package of weights for TF.js has its graph, which names the files of numbers beside it.
GRAPHS = ("model.json", "models/model.json", "package/models/model.json")
TABLES = ("config", "data")  # of config.json
UNSEAL = 'take another copy of it, or delete its entry "check" if the change was meant'
BRIEF = 16  # characters of a value in a refusal: some of a hash tell it
SOURCES = "sources.txt.gz"  # what its weights have seen; before config.json, which has its hash
CLAIM = Claim("a run", (CONFIG,), frozenset({SOURCES}))
# An entry that nobody wrote is one whose name was damaged.
closed = with_config(ConfigDict(extra="forbid"))
Amount = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Steps = Annotated[int, Field(gt=0, lt=2**53)]


@closed
class SourcesOfRun(TypedDict):
    """What config.json tells of sources.txt.gz."""

    sha256: str  # of its lines
    train: Amount  # sharp sources that the run learnt from
    val: Amount  # by which it chose its best weights alone
    init: NotRequired[Amount | None]  # that the weights it began with learnt from; None: unknown


@closed
class SetOfRun(TypedDict):
    """One of several data sets that a run was trained on."""

    digest: str
    recipe: str
    share: Share  # of the samples
    pairs: Amount


@closed
class PairsOfRun(TypedDict):
    """What a run was trained on."""

    digest: str  # of several sets it stands for theirs and their shares
    recipe: str
    sets: NotRequired[list[SetOfRun]]  # where there are several
    captions: NotRequired[str]  # hash of what a model that learns from captions read
    sources: NotRequired[SourcesOfRun]


@closed
class MinutesOfRun(TypedDict):
    """How minutes were turned into steps, once, before the first."""

    minutes: float  # asked for
    clock: str  # "cpu", of all threads together, or "wall"
    seconds_per_step: float  # mean over all stages and crops
    seconds_of_looks: float  # of all validations and sample pictures


@closed
class RunConfig(TypedDict):
    """What config.json holds: everything that decides a run's weights."""

    model: str
    preset: str
    config: dict[str, Any]  # all fields of the preset, with what --set changed
    steps: Steps  # of all stages together
    extended: NotRequired[list[Steps]]  # the totals that it had before, each finished or not
    stopped: NotRequired[Steps]  # the step at which its patience ended it
    minutes: NotRequired[MinutesOfRun]  # that its steps were reckoned from
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    hold_out: NotRequired[Share]  # share of the sources of train that judge it
    init: NotRequired[str | None]  # sha256 of the weights it began with
    data: PairsOfRun
    vocabulary: NotRequired[str]  # hash of a captioner's words
    package: NotRequired[str]  # of another package's model: that package and its version
    # What follows began it; others may go on with it.
    processor: NotRequired[str]  # kind, as far as it decides how sums are rounded
    blurbench: NotRequired[str]  # version
    id: NotRequired[str]  # its seal as it began, which its checkpoints and weights are told by
    check: NotRequired[str]  # its seal; 0.1.0 had none


NO_PART = ("processor", "blurbench", "id", "stopped", "check")  # of what makes two runs the same


def begun(folder: Path, resume: bool) -> RunConfig | None:
    """The config.json of a run that is to go on; None where the folder holds nothing yet.

    UserError where it holds something else, or a run that nobody asked to go on with.
    """
    if CLAIM.find(Folder(folder)) is None:
        return None
    if not resume:
        raise UserError(
            f"{folder}: already holds a run; add --resume to go on, or give another --out"
        )
    return read_config(folder)


def start_run(
    folder: Path, config: RunConfig, old: RunConfig | None, defaults: Mapping[str, Any]
) -> None:
    """Write config.json, or check that the run begun there is the same one.

    defaults: of the fields of its preset, which count where an older version had no such field.
    """
    if old is None:
        write_json(folder / CONFIG, sealed({**config, "id": sealed(config)[SEAL]}))
        return
    # Less is recorded in older ones.
    filled = {"config": {**defaults, **old["config"]}, "data": config["data"] | old["data"]}
    if told := differing({**old, **filled}, config):
        refuse(Folder(folder), f"holds a run with {', '.join(told)}")


def change_run(folder: Path, **changes: Any) -> None:
    """Write config.json anew with some other entries."""
    write_json(folder / CONFIG, sealed({**read_config(folder), **changes}))


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The entries that two run configurations do not share, such as "seed 0, not 1".

    Aside from what another may go on with.
    """
    # JSON has no tuples: compare what would be read back.
    flat_old, flat_new = (flat(json.loads(json.dumps(each))) for each in (old, new))
    names = [name for name in flat_old | flat_new if name not in NO_PART]
    return [
        f"{name} {_brief(flat_old.get(name))}, not {_brief(flat_new.get(name))}"
        for name in names
        if flat_old.get(name) != flat_new.get(name)
    ]


def _brief(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}..."


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run configuration with the fields of its tables as `config.FIELD` and `data.FIELD`.

    Those of several sets are `data.sets.0.FIELD` and so on.
    """
    fields = {f"{table}.{name}": value for table in TABLES for name, value in config[table].items()}
    for number, each in enumerate(fields.pop("data.sets", ())):
        fields |= {f"data.sets.{number}.{name}": value for name, value in each.items()}
    return {name: value for name, value in config.items() if name not in TABLES} | fields


def read_config(run: Path) -> RunConfig:
    """The config.json of a run; UserError where the folder is none."""
    path = run / CONFIG
    if not path.is_file():
        raise UserError(f"{run}: not a run of blurbench train (no {CONFIG})")
    data = read_regular(path)
    config = parse_as(RunConfig, data, f"{path}: not written by blurbench train")
    refuse_broken(parse_json(data, str(path)), str(path), UNSEAL)
    return config


def run_id(run: Path) -> str | None:
    """What a run is known by; None of those begun before there were ids, and of other folders."""
    return read_config(run).get("id") if (run / CONFIG).is_file() else None


def weights_file(path: Path) -> Path:
    """The weights in a run folder, the graph in a package's, or the file of weights itself."""
    if not path.is_dir():
        return path
    return next((path / name for name in GRAPHS if (path / name).is_file()), path / BEST)


def way_on(run: Path, config: RunConfig) -> str:
    """What to do with a run that is not finished, maybe because it became NaN."""
    told, weights = "go on with train --resume", run / BEST
    if not weights.is_file():
        return told
    words = f"--checkpoint {weights} --model {config['model']} --preset {config['preset']}"
    return f"{told}, or take its best weights so far: {words}"
