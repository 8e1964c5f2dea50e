"""The run folder: what a run is (config.json), and that it stays the same run."""

import json
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.files import read_json, write_json

CONFIG = "config.json"


def start_run(folder: Path, config: dict[str, Any], resume: bool) -> None:
    """Write config.json, or check that the run already there is the same one and may go on."""
    path = folder / CONFIG
    if not path.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder}: not empty and not a run; choose another --out")
        write_json(path, config)
        return
    if not resume:
        raise UserError(
            f"{folder}: already holds a run; add --resume to go on, or choose another --out"
        )
    changed = differing(read_config(folder), config)
    if changed:
        raise UserError(
            f"{folder}: made with another {', '.join(changed)}; give the same, or another --out"
        )


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Names of the entries that two run configurations do not share, `seed` or `config.rate`.

    Versions aside.
    """
    # JSON has no tuples: compare what would be read back.
    flat_old, flat_new = flat(old), flat(json.loads(json.dumps(new)))
    names = [name for name in flat_old | flat_new if name != "blurbench"]
    return [name for name in names if flat_old.get(name) != flat_new.get(name)]


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """A run configuration with the fields of the model's preset as `config.FIELD`."""
    fields = {f"config.{name}": value for name, value in config["config"].items()}
    return {name: value for name, value in config.items() if name != "config"} | fields


def read_config(run: Path) -> dict[str, Any]:
    """The config.json of a run; UserError where the folder is none."""
    if not (run / "config.json").is_file():
        raise UserError(f"{run}: not a run of blurbench train (no config.json)")
    config = read_json(run / "config.json")
    wanted = {"model", "preset", "config", "steps", "seed", "data"}
    if not isinstance(config, dict) or not wanted <= config.keys():
        raise UserError(f"{run / 'config.json'}: not written by blurbench train")
    return config


def way_on(run: Path, config: dict[str, Any]) -> str:
    """What to do with a run that is not finished, maybe because it became NaN."""
    told, weights = "go on with train --resume", run / "model.safetensors"
    if not weights.is_file():
        return told
    words = f"--checkpoint {weights} --model {config['model']} --preset {config['preset']}"
    return f"{told}, or take its best weights so far: {words}"
