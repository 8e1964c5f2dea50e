"""The run folder: the names of its files, what config.json holds, and that it stays one run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from blurbench.errors import UserError
from blurbench.files import read_json, write_json
from blurbench.out_folder import Claim
from blurbench.stores.folder import Folder

CONFIG, LOG, VOCABULARY = "config.json", "log.jsonl", "vocabulary.json"  # the last: of captioners
# What deblur and evaluate read: best by the validation metric, averaged where ema is on, and there
# after the first look. The last weights, as trained, are there after the last step.
BEST, LAST = "model.safetensors", "last.safetensors"
CHECKPOINTS, SAMPLES, TENSORBOARD = "checkpoints", "samples", "tensorboard"  # folders
CLAIM = Claim("a run", (CONFIG,))


class PairsOfRun(TypedDict):
    """What a run was trained on."""

    digest: str
    recipe: str


class RunConfig(TypedDict):
    """What config.json holds: everything that decides a run's weights."""

    model: str
    preset: str
    config: dict[str, Any]  # all fields of the preset, with what --set changed
    steps: int  # of all stages together
    seed: int
    init: NotRequired[str | None]  # sha256 of the weights it began with
    data: PairsOfRun
    vocabulary: NotRequired[str]  # hash of a captioner's words
    package: NotRequired[str]  # of another package's model: that package and its version
    blurbench: NotRequired[str]  # version that began it; another may go on with it


def start_run(folder: Path, config: RunConfig, resume: bool) -> None:
    """Write config.json, or check that the run already there is the same one and may go on."""
    if CLAIM.find(Folder(folder)) is None:
        write_json(folder / CONFIG, config)
        return
    if not resume:
        raise UserError(
            f"{folder}: already holds a run; add --resume to go on, or give another --out"
        )
    CLAIM.refuse_other(Folder(folder), differing(read_config(folder), config))


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names of the entries that two run configurations do not share, `seed` or `config.rate`.

    Versions aside.
    """
    # JSON has no tuples: compare what would be read back.
    flat_old, flat_new = flat(old), flat(json.loads(json.dumps(new)))
    names = [name for name in flat_old | flat_new if name != "blurbench"]
    return [name for name in names if flat_old.get(name) != flat_new.get(name)]


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run configuration with the fields of the model's preset as `config.FIELD`."""
    fields = {f"config.{name}": value for name, value in config["config"].items()}
    return {name: value for name, value in config.items() if name != "config"} | fields


def read_config(run: Path) -> RunConfig:
    """The config.json of a run; UserError where the folder is none."""
    path = run / CONFIG
    if not path.is_file():
        raise UserError(f"{run}: not a run of blurbench train (no {CONFIG})")
    config: RunConfig = read_json(path)
    if not isinstance(config, dict) or not RunConfig.__required_keys__ <= config.keys():
        raise UserError(f"{path}: not written by blurbench train")
    return config


def weights_file(path: Path) -> Path:
    """The weights in a run folder, or the file of weights itself."""
    return path / BEST if path.is_dir() else path


def way_on(run: Path, config: RunConfig) -> str:
    """What to do with a run that is not finished, maybe because it became NaN."""
    told, weights = "go on with train --resume", run / BEST
    if not weights.is_file():
        return told
    words = f"--checkpoint {weights} --model {config['model']} --preset {config['preset']}"
    return f"{told}, or take its best weights so far: {words}"
