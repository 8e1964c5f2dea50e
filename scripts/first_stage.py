"""Cut the first stage off MAXIM's public weights, to go on from at a third of its size and time.

    python scripts/first_stage.py maxim-gopro/model.json first.safetensors
    blurbench train --model maxim --preset paper --set stages=1 --init first.safetensors ...

Every stage but the last restores pictures in its supervised attention: that convolution becomes the
output of a network of one stage.
"""

import argparse
import sys
from pathlib import Path

from torch import Tensor

from blurbench.errors import UserError
from blurbench.models.maxim.model import MAXIM, MAXIMConfig
from blurbench.models.parts.released import load_released
from blurbench.models.parts.weights import save_tensors

FIRST = "network.stages.0."
ATTENTION, OUTPUT = "supervised_attention_module", "output_conv"


def first_stage(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a model of several stages, the state of one of `stages=1`."""
    found = {}
    for name, tensor in state.items():
        part, _, rest = name.removeprefix(FIRST).partition(".")
        if not name.startswith(FIRST):
            continue
        if part != ATTENTION:
            found[name] = tensor
        elif ".Conv_1." in rest:  # of its three convolutions the one that gives a picture
            found[f"{FIRST}{OUTPUT}.{rest.replace('Conv_1.', '')}"] = tensor
    return found


def cut(weights: Path, out: Path, config: MAXIMConfig = MAXIM.PRESETS["paper"]) -> None:
    """Read public weights of that shape and write their first stage."""
    model = MAXIM(config)
    load_released(model, weights)
    one = MAXIM(config.model_copy(update={"stages": 1}))
    one.load_state_dict(first_stage(model.state_dict()))
    save_tensors(out, one.state_dict())


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("weights", type=Path, help="model.json or checkpoint.npz")
    parser.add_argument("out", type=Path, help="a new .safetensors")
    asked = parser.parse_args()
    try:
        cut(asked.weights, asked.out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
