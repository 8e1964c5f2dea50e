"""A trained model from a run folder, or from a public file of weights."""

from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images.header import refuse_instead
from blurbench.models import PLUG_INS, build_from, model_class
from blurbench.models.base import Model
from blurbench.models.parts.owner import Owner, owner_of
from blurbench.models.parts.released import best_fit, fingerprint, read_checkpoint
from blurbench.models.parts.weights import load_weights
from blurbench.progress import tell_once
from blurbench.runs.devices import of_worker, pick_device
from blurbench.runs.folder import (
    BEST,
    CONFIG,
    LAST,
    VOCABULARY,
    RunConfig,
    read_config,
    way_on,
    weights_file,
)
from blurbench.runs.own_weights import refuse_foreign
from blurbench.runs.trained import TrainedModel
from blurbench.schemas.own_paths import names_only
from blurbench.weights.places import named
from blurbench.weights.registry import OUTSIDE
from blurbench.weights.shipped import SHIPPED, is_shipped, shipped_as, shipped_path
from blurbench.words import meant

TOLD = ("model", "preset", "steps", "seed", "data")  # of a run's config.json, in its results
TOLD_IF_SO = ("init", "hold_out", "minutes", "extended", "stopped")


def load_checkpoint(
    path: Path, device: str | None = None, name: str | None = None, preset: str = "paper"
) -> TrainedModel:
    """A run, a public file of weights of model `name`, or a name of weights that ship.

    UserError where it is none of them.

    A file of weights inside a run is that run with these weights, such as RUN/last.safetensors.
    """
    loaded = _load(path, device, name, preset)
    told = loaded.provenance["weights"]
    where = path if is_shipped(path) else named(path).absolute()
    again = partial(_load_again, where, str(loaded.device), name, preset, told)
    return replace(loaded, again=again)


def _load_again(path: Path, device: str, name: str | None, preset: str, told: str) -> TrainedModel:
    """`load_checkpoint` in a worker; UserError where the weights are not the ones `told`."""
    with redirect_stderr(StringIO()):  # whatever is to be said was said by who sends the work
        loaded = load_checkpoint(path, of_worker(device), name, preset)
    if loaded.provenance["weights"] != told:
        raise UserError(f"{path}: its weights are others by now; run the same command again")
    return loaded


def _load(path: Path, device: str | None, name: str | None, preset: str) -> TrainedModel:
    if is_shipped(path):
        if name is not None:
            raise UserError(f"{path}: weights that ship know their model; leave out --model")
        return load_shipped(str(path), device)
    refuse_nothing(path)
    path = named(path)
    if not path.is_dir():
        refuse_instead(path)
    weights = weights_file(path)
    of_run = path.is_dir() and weights.name == BEST
    if name is not None and of_run:
        raise UserError(f"{path}: a run knows its model; leave out --model and --preset")
    if name is not None:
        return load_weights_file(weights, name, preset, device)
    if path.is_file() and path.name in (BEST, LAST) and (path.parent / CONFIG).is_file():
        return load_run(path.parent, device, path.name)
    if weights.is_file() and not of_run:
        held = read_checkpoint(weights)
        owner = _owner(weights, held, path)
        ours = shipped_as(weights)
        by = f"a copy of {ours}" if ours else f"by names and shapes of {owner}"
        tell_once(f"{path}: {by}")
        return _load_held(weights, held, owner, device)
    return load_run(path, device)


def refuse_nothing(path: Path) -> None:
    """UserError where a --checkpoint is no file, no folder, and no name of weights."""
    if not is_shipped(path) and not named(path).exists():
        near, ours = meant(str(path), {**SHIPPED, **OUTSIDE}), " and ".join(SHIPPED)
        raise UserError(f"{path}: no such run or file of weights{near}; {ours} ship")


def owner_of_checkpoint(path: Path) -> Owner:
    """Whose weights a run or a file holds; UserError where nothing tells."""
    if (path / CONFIG).is_file():
        config = read_config(path)
        usual = model_class(config["model"]).PRESETS[config["preset"]].model_dump(mode="json")
        changed = {f: v for f, v in config["config"].items() if usual.get(f) != v}
        return Owner(config["model"], config["preset"], changed)
    weights = weights_file(path)
    return _owner(weights, read_checkpoint(weights), path)


def _owner(weights: Path, held: Mapping[str, Any], path: Path) -> Owner:
    """Whose the tensors of a file are: of ours it is known, of others told by names and shapes."""
    if name := shipped_as(weights):
        entry = SHIPPED[name]
        # In which precision it goes on is for the processor that trains it.
        fields = {key: value for key, value in entry.config.items() if key != "precision"}
        return Owner(entry.model, entry.preset, fields)
    return owner_of(held, str(path))


def resolved(path: Path) -> Path:
    """The file that a name of weights means, ours or fetched; any other path as it is."""
    return shipped_path(str(path)) if is_shipped(path) else named(path)


def load_run(run: Path, device: str | None = None, weights: str = BEST) -> TrainedModel:
    """The trained model of a run folder; UserError where it is none, or not finished.

    `weights`: the file of the two that a finished run has, BEST or LAST.
    """
    config = read_config(run)
    # OwnWeights after the last step, hence the sign of a finished run.
    if not (run / LAST).is_file():
        raise UserError(f"{run}: this training is not finished; {way_on(run, config)}")
    model = _build(run, config)
    if (run / weights).is_file():
        refuse_instead(run / weights)
    load_weights(model, run / weights)
    refuse_foreign(run / weights)
    model.load_language(run / VOCABULARY)
    if config.get("vocabulary") not in (None, model.vocabulary_hash()):
        raise UserError(f"{run / VOCABULARY}: not the words of this run; take another copy of it")
    held: Mapping[str, Any] = config
    provenance: dict[str, Any] = {
        "run": run.name,
        "run_hash": sha256((run / CONFIG).read_bytes())[:12],
        "weights": sha256((run / weights).read_bytes())[:12],
        **{key: held[key] for key in TOLD},
        **{key: held[key] for key in TOLD_IF_SO if held.get(key)},
        "config": names_only(config["config"]),
    }
    return _ready(config["model"], model, provenance, device)


def _build(run: Path, config: RunConfig) -> Model:
    """The untrained model of a run."""
    name, package = config["model"], config.get("package")
    if package and name not in PLUG_INS.names():
        raise UserError(f"{run}: its model {name} is of {package}, which is not installed here")
    try:
        return build_from(name, config["preset"], config["config"])
    except UserError as error:
        raise UserError(f"{run / CONFIG}: {error}") from None


def load_weights_file(
    path: Path, name: str, preset: str = "paper", device: str | None = None
) -> TrainedModel:
    """Model `name` with public weights; UserError where they do not fit, or are only a part."""
    return _load_held(path, read_checkpoint(path), Owner(name, preset), device)


def _load_held(
    path: Path, held: Mapping[str, Any], owner: Owner, device: str | None
) -> TrainedModel:
    """The owner's model with what a file holds."""
    name, preset = owner.model, owner.preset
    model = build_from(name, preset, owner.fields)
    told = f"{path}: not weights of {name}, preset {preset}"
    network, tensors = best_fit((model, *model.children()), held, told)
    filled = {id(parameter) for parameter in network.parameters()}
    wanted = (p for module in model.inference_modules() for p in module.parameters())
    if not {id(parameter) for parameter in wanted} <= filled:
        raise UserError(f"{path}: only a part of {name}; train the rest: train --init {path}")
    network.load_state_dict(tensors)
    provenance = {
        "run": path.name,
        "weights": fingerprint(path)[:12],
        "model": name,
        "preset": preset,
        "config": model.config.model_dump(mode="json"),
    }
    return _ready(name, model, provenance, device)


def load_shipped(name: str, device: str | None = None) -> TrainedModel:
    """Weights of our own, by name; UserError where they are not here or not as they were made."""
    entry, path = SHIPPED[name], shipped_path(name)
    model = build_from(entry.model, entry.preset, entry.config)
    load_weights(model, path)  # in half precision there, in single here
    provenance = {
        "run": name,
        "weights": entry.sha256[:12],
        "model": entry.model,
        "preset": entry.preset,
        "config": model.config.model_dump(mode="json"),
    }
    return _ready(entry.model, model, provenance, device)


def _ready(name: str, model: Model, provenance: dict[str, Any], device: str | None) -> TrainedModel:
    """On its device, for inference only."""
    if package := PLUG_INS.origin(name):
        provenance["package"] = package  # what restores may change with its version
    target = pick_device(device)
    model.to(target).to(memory_format=model.LAYOUT).eval().requires_grad_(False)
    return TrainedModel(name, model, target, provenance)
