"""Whose weights a file holds, told from the names and shapes of its tensors alone."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from blurbench.errors import UserError
from blurbench.models import build, model_class
from blurbench.models.parts.released import state_dicts, without_old_statistics
from blurbench.models.parts.weights import differences, some

Sizes = Callable[[Mapping[str, Tensor]], dict[str, Any]]


# What changes how a network restores and leaves no trace in names and shapes.
UNTOLD = {"unet": "norm"}


@dataclass(frozen=True)
class Owner:
    """A model, and what its configuration must be for the tensors to fit."""

    model: str
    preset: str
    fields: dict[str, Any] = field(default_factory=dict)  # that are not the preset's
    alike: tuple[str, ...] = ()  # presets, and other models, that fit as well
    tensors: int = 0  # that fit

    def __str__(self) -> str:
        """Model, preset and sizes; what else it could be."""
        sizes = "".join(f", {name}={value}" for name, value in self.fields.items())
        others = f"; {', '.join(self.alike)} would fit, too: --model and --preset say which"
        untold = f"; {UNTOLD[self.model]} as the preset has it" if self.model in UNTOLD else ""
        return f"{self.model}, preset {self.preset}{sizes}{untold}{others if self.alike else ''}"


def owner_of(held: Mapping[str, Any], told: str) -> Owner:
    """Whose tensors a checkpoint holds, in whatever wrapping; UserError where they are nobody's.

    Of several networks that fit, such as a model and the backbone in it, the one of most tensors.
    """
    states = list(state_dicts(held))
    found = [owner for state in states for owner in owners(state)]
    if not found:
        longest: list[str] = max((list(state) for state in states), key=len, default=[])
        names = some(longest) or "none"
        raise UserError(
            f"{told}: a file of weights, not a run, and names and shapes of its tensors ({names})"
            " are of no model here; say whose: --model NAME [--preset NAME]"
        )
    # Of networks that only count their blocks otherwise, the one that has a preset of these.
    best = max(found, key=lambda owner: (owner.tensors, -len(owner.fields)))
    others = (f"{o.model} {o.preset}" for o in found if o.model != best.model and same(o, best))
    return replace(best, alike=(*best.alike, *dict.fromkeys(others)))


def same(one: Owner, other: Owner) -> bool:
    """Whether they fit equally well."""
    return (one.tensors, len(one.fields)) == (other.tensors, len(other.fields))


def owners(state: Mapping[str, Tensor]) -> Iterator[Owner]:
    """The models whose networks have these names and shapes."""
    for name, (sign, sizes) in SIGNS.items():
        if sign in state:
            found = by_sizes(name, state, sizes) if sizes else by_presets(name, state)
            if found:
                yield found


def by_sizes(name: str, state: Mapping[str, Tensor], sizes: Sizes) -> Owner | None:
    """The model of the sizes that are read off the tensors, with the preset that has them."""
    try:
        fields = sizes(state)
    except (KeyError, IndexError, ValueError):  # of a file that only begins alike
        return None
    changes = {
        preset: {f: v for f, v in fields.items() if getattr(config, f) != v}
        for preset, config in model_class(name).PRESETS.items()
    }
    preset = min(changes, key=lambda preset: len(changes[preset]))
    if not fits(name, preset, changes[preset], state):
        return None
    return Owner(name, preset, changes[preset], (), len(state))


def by_presets(name: str, state: Mapping[str, Tensor]) -> Owner | None:
    """The presets that fit, the first of them taken."""
    fitting = [preset for preset in model_class(name).PRESETS if fits(name, preset, {}, state)]
    return Owner(name, fitting[0], {}, tuple(fitting[1:]), len(state)) if fitting else None


def fits(name: str, preset: str, fields: dict[str, Any], state: Mapping[str, Tensor]) -> bool:
    """Whether the model, or one of its networks, has these names and shapes and no others."""
    try:
        with torch.device("meta"):
            model = build(name, preset, **fields)
    except UserError:  # of sizes that no such network can have
        return False
    return any(
        not differences(network.state_dict(), without_old_statistics(network, dict(state)))
        for network in (model, *model.children())
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many numbers stand in the place of the group of `pattern` at the begin of names."""
    return len({found[1] for name in state if (found := re.match(pattern, name))})


def _levels(state: Mapping[str, Tensor], part: str) -> tuple[int, ...]:
    """Blocks on each level of a list of lists."""
    return tuple(
        _count(state, rf"{part}\.{n}\.(\d+)\.") for n in range(_count(state, rf"{part}\.(\d+)\."))
    )


def _nafnet(state: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        "width": state["intro.weight"].shape[0],
        "encoder": _levels(state, "encoders"),
        "middle": _count(state, r"middle_blks\.(\d+)\."),
        "decoder": _levels(state, "decoders"),
    }


def _restormer(state: Mapping[str, Tensor]) -> dict[str, Any]:
    parts = ("encoder_level1", "encoder_level2", "encoder_level3", "latent")
    return {
        "width": state["patch_embed.proj.weight"].shape[0],
        "blocks": tuple(_count(state, rf"{part}\.(\d+)\.") for part in parts),
        "refinement": _count(state, r"refinement\.(\d+)\."),
    }


def _mprnet(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width = state["shallow_feat1.0.weight"].shape[0]
    found = {"width": width, "step": state["stage1_encoder.down12.down.1.weight"].shape[0] - width}
    if "tail.weight" not in state:
        return {"network": "stage1", **found}
    return {
        "network": "full",
        **found,
        "original_step": state["tail.weight"].shape[1] - width,
        "original_blocks": _count(state, r"stage3_orsnet\.orb1\.body\.(\d+)\.CA"),
    }


def _mimo_unet(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width = state["feat_extract.0.main.0.weight"].shape[0]
    return {"width": width, "blocks": _count(state, r"Encoder\.0\.layers\.(\d+)\.")}


def _mssnet(state: Mapping[str, Tensor]) -> dict[str, Any]:
    wider, width = state["E1_1.down12.down.1.weight"].shape[:2]
    return {"width": width, "step": wider - width}


def _deepdeblur(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width = state["body_models.0.body.0.weight"].shape[0]
    return {"width": width, "blocks": _count(state, r"body_models\.0\.body\.(\d+)\.body\.")}


# Model -> a name that its networks have, and how sizes are read off; without that, presets are
# tried: some of what they state leaves no trace in names and shapes, such as the norm of unet.
# Those that describe want words beside weights, which lie in their runs.
SIGNS: dict[str, tuple[str, Sizes | None]] = {
    "nafnet": ("middle_blks.0.beta", _nafnet),
    "restormer": ("latent.0.attn.qkv_dwconv.weight", _restormer),
    "mprnet": ("stage1_encoder.encoder_level1.0.CA.conv_du.0.weight", _mprnet),
    "mimo-unet": ("SCM1.conv.main.0.weight", _mimo_unet),
    "mimo-unet-plus": ("SCM1.conv.main.0.weight", _mimo_unet),
    "mssnet": ("E1_1.encoder_level1.0.body.0.weight", _mssnet),
    "deepdeblur": ("body_models.0.body.0.weight", _deepdeblur),
    "maxim": ("stages.0.UpSampleRatio.0.Conv_0.weight", None),
    "udeconv": ("final_layer.3.weight_g", None),
    "unet": ("encoder.0.0.conv1.weight", None),
    "umsn": ("segmentation.trans_block6.conv1.weight", None),
    "bn": ("trans_block6.conv1.weight", None),
    "shen-face": ("parsing.up.4.1.weight", None),
    "sp": ("student.head.weight", None),
    "deblurgan": ("model.1.weight", None),
    "igan": ("discriminator.classify.weight", None),
    "brmr": ("patch_discriminator.model.0.weight", None),
}
