"""The models by name."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from blurbench.errors import UserError, one_line
from blurbench.plugins import PlugIns
from blurbench.schemas import complaint
from blurbench.words import meant

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn

    from blurbench.models.base import Model

# Name -> module:class, imported when asked for: torch takes seconds.
MODELS: dict[str, str] = {
    "mprnet": "blurbench.models.mprnet:MPRNet",
    "mssnet": "blurbench.models.mssnet:MSSNet",
    "nafnet": "blurbench.models.nafnet:NAFNet",
    "restormer": "blurbench.models.restormer:Restormer",
    "maxim": "blurbench.models.maxim:MAXIM",
    "udeconv": "blurbench.models.udeconv:UDeconv",
    "s3e": "blurbench.models.s3e:S3E",
    "s3e-imc": "blurbench.models.s3e:ImC",
    "vp-tree": "blurbench.models.s3e:VPTree",
    "nic": "blurbench.models.captioners:NICCaptioner",
    "toronto": "blurbench.models.captioners:TorontoCaptioner",
    "topdown": "blurbench.models.captioners:TopDownCaptioner",
    "umsn": "blurbench.models.umsn:UMSN",
    "bn": "blurbench.models.umsn.bn:BN",
    "shen-face": "blurbench.models.shen_face:ShenFace",
    "sp": "blurbench.models.sp:SemanticPrior",
    "unet": "blurbench.models.unet:UNet",
    "deblurgan": "blurbench.models.deblurgan:DeblurGAN",
    "igan": "blurbench.models.brmr.igan:IGAN",
    "brmr": "blurbench.models.brmr.model:BRMR",
    "deepdeblur": "blurbench.models.deepdeblur:DeepDeblur",
    "mimo-unet": "blurbench.models.mimo_unet:MIMOUNet",
    "mimo-unet-plus": "blurbench.models.mimo_unet:MIMOUNetPlus",
}


def fault(_name: str, found: Any) -> str:
    """What keeps a thing from being a model's class; empty for nothing."""
    from blurbench.models.base import Model

    if not (isinstance(found, type) and issubclass(found, Model)):
        return "is no subclass of blurbench.models.base.Model"
    if found.__abstractmethods__:
        return f"has no method {', '.join(sorted(found.__abstractmethods__))}"
    missing = [name for name in ("Config", "PRESETS", "PAPER") if not hasattr(found, name)]
    return f"states no {', '.join(missing)}" if missing else ""


PLUG_INS = PlugIns("blurbench.models", "model", MODELS, fault)


def model_class(name: str) -> type["Model"]:
    """The class of a model, ours or an installed package's; UserError for an unknown name."""
    if name in MODELS:
        module, _, attribute = MODELS[name].partition(":")
        built_in: type[Model] = getattr(import_module(module), attribute)
        return built_in
    found: type[Model] = PLUG_INS.load(name)
    return found


def build(name: str, preset: str = "paper", **overrides: Any) -> "Model":
    """A new model in eval mode, from a preset and its changed fields.

    Values may be strings, as from a command line: "none", and commas between the parts of a
    tuple, are understood; one number is a tuple of it. Raises UserError for unknown names,
    presets, fields and bad values.
    """
    return build_from(name, preset, overrides)


def build_from(name: str, preset: str, overrides: Mapping[str, Any]) -> "Model":
    """`build` with fields of any name, as a command line or a file has them."""
    return build_of(model_class(name), name, preset, overrides)


def build_of(kind: type["Model"], name: str, preset: str, overrides: Mapping[str, Any]) -> "Model":
    """`build` of a model's class; `name` is what messages call it."""
    if preset not in kind.PRESETS:
        told = f"{name} has no preset {preset!r}{meant(preset, kind.PRESETS)}"
        raise UserError(f"{told}; it has {', '.join(kind.PRESETS)}")
    settings = kind.PRESETS[preset].model_dump()
    for field, value in overrides.items():
        if field not in settings:
            told = f"{name} has no field {field!r}{meant(field, settings)}"
            raise UserError(f"{told}; it has {', '.join(settings)}")
        settings[field] = parse(value, settings[field])
    try:
        config = kind.Config(**settings)
    except ValidationError as error:
        raise UserError(f"{name}: {complaint(error)}") from None
    return _built(kind, name, config, changed_fields(config, kind.PRESETS[preset]))


def _built(kind: type["Model"], name: str, config: Any, changed: str) -> "Model":
    """A model of these settings; UserError where they are what keeps it from being built."""
    from blurbench.models.parts.bounded import within_memory

    told = f"{name} with {changed}" if changed else name
    try:
        with PLUG_INS.blamed(name):
            return within_memory(lambda: kind(config), told).eval()
    except UserError:
        raise
    except Exception as error:
        if not changed:  # a fault of ours
            raise
        raise UserError(f"{told}: cannot be built: {one_line(error)}") from error


def changed_fields(config: "BaseModel", preset: "BaseModel") -> str:
    """The fields of a configuration that are not those of its preset, "width=8, blocks=1"."""
    before = preset.model_dump()
    changed = {k: v for k, v in config.model_dump().items() if v != before.get(k)}
    return ", ".join(f"{field}={value}" for field, value in changed.items())


def convert(name: str, source: Mapping[str, Any] | str | Path) -> "nn.Module":
    """A released network with the weights of a public checkpoint (file, or its state dict).

    In the checkpoint's dtype and in eval mode; it takes and returns what the released one does.
    Raises UserError for unknown names, unreadable files, and weights that differ in any key.
    """
    from blurbench.models.parts.released import load_network

    return load_network(name, source)


def parse(value: Any, current: Any) -> Any:
    """What a command-line string means for a field that holds `current`."""
    several = isinstance(current, tuple)
    if not isinstance(value, str):
        return (value,) if several and isinstance(value, int | float) else value
    if value.lower() == "none" and not isinstance(current, str):  # to text it is a word
        return () if several else None
    return value.split(",") if several else value
