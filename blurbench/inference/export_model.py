"""A trained model as a file for other programs: an exported program, ONNX, the authors' own names.

Each file is read back, and its output compared with the model's, before it takes its place.
"""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blurbench.errors import UserError, reason
from blurbench.files import write_bytes
from blurbench.models.base import Model
from blurbench.runs.trained import TrainedModel

# Models whose released code reads its weights under one key of a .pth -> that key.
AUTHORS = {
    "mimo-unet": "model",
    "mimo-unet-plus": "model",
    "mprnet": "state_dict",
    "nafnet": "params",
    "restormer": "params",
}
MOST = 1e-4  # by which an output in [0, 1] may differ: a fortieth of a grey level
SIDES = (64, 96), (96, 64)  # px at least: what is exported with, and what is compared with
LARGEST = 2**14  # px of a side that an exported program takes


class Restoring(nn.Module):
    """(1, 3, H, W) in [0, 1], sides divisible by the model's `multiple` -> restored, the same."""

    def __init__(self, model: Model) -> None:
        """Of a model in eval mode."""
        super().__init__()
        self.model = model

    def forward(self, blur: Tensor) -> Tensor:
        """Without the padding that `Model.deblur` does around it."""
        return self.model.restore(blur).clamp(0, 1)


def export_model(trained: TrainedModel, kind: str, out: Path) -> str:
    """Write `trained` as `kind` (a name in KINDS) to the file `out`; gives a line on it.

    UserError where the model cannot be written so, or the file would restore otherwise.
    """
    model = trained.model
    if not model.RESTORES or model.restore_labels:
        raise UserError(f"{trained.name}: restores no picture by itself; nothing else is exported")
    restoring = Restoring(model).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's own code, several pages
        data, again = KINDS[kind](trained, restoring)
        blur = picture(model, SIDES[1])
        off = float((again(blur) - restoring(blur)).abs().max())
    if not off <= MOST:
        raise UserError(f"{out}: would restore otherwise than the model, by up to {off:.2g} of 1")
    write_bytes(out, data)
    told = f"sides divisible by {model.multiple}" if kind != "authors" else "names of its authors"
    return f"{out}: {len(data) / 1e6:,.1f} MB, {told}, within {off:.1g} of the model"


def picture(model: Model, sides: tuple[int, int]) -> Tensor:
    """Noise, (1, 3, H, W) in [0, 1], of at least these sides."""
    height, width = (-(-side // model.multiple) * model.multiple for side in sides)
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


Written = tuple[bytes, Callable[[Tensor], Tensor]]  # a file, and what it restores when read back


def exported(restoring: Restoring) -> torch.export.ExportedProgram:
    """A program of torch.export for any size; UserError says why it cannot be one."""
    multiple = restoring.model.multiple
    height, width = (torch.export.Dim(name, min=1, max=LARGEST // multiple) for name in "hw")
    shapes = {"blur": {2: multiple * height, 3: multiple * width}}
    try:
        return torch.export.export(
            restoring, (picture(restoring.model, SIDES[0]),), dynamic_shapes=shapes
        )
    except Exception as error:  # whatever torch meets in a model of others
        name = type(restoring.model).__name__
        raise UserError(f"{name}: torch.export cannot write it ({reason(error)})") from None


def as_program(_trained: TrainedModel, restoring: Restoring) -> Written:
    """A .pt2 of torch.export, read by `torch.export.load`."""
    file = io.BytesIO()
    torch.export.save(exported(restoring), file)
    again = torch.export.load(io.BytesIO(file.getvalue())).module()
    return file.getvalue(), again


def as_onnx(_trained: TrainedModel, restoring: Restoring) -> Written:
    """An .onnx for ONNX Runtime and what else reads it."""
    try:
        import onnxruntime  # type: ignore[import-untyped]
        import onnxscript  # noqa: F401  # by torch.onnx
    except ImportError as error:
        raise UserError(f"--to onnx: {error}; run: pip install 'blurbench[onnx]'") from None
    file = io.BytesIO()
    try:
        written: Any = torch.onnx.export(exported(restoring), dynamo=True, verbose=False)
        written.save(file)
        session = onnxruntime.InferenceSession(file.getvalue())
    except UserError:
        raise
    except Exception as error:  # of MPRNet, which calls one module a hundred times
        name = type(restoring.model).__name__
        told = f"ONNX cannot hold it ({reason(error)}); --to torch may"
        raise UserError(f"{name}: {told}") from None
    name = session.get_inputs()[0].name

    def again(blur: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: blur.numpy()})[0])

    return file.getvalue(), again


def as_authors(trained: TrainedModel, restoring: Restoring) -> Written:
    """A .pth under the names of the released code, which builds the network of its sizes."""
    name = str(trained.provenance.get("model", trained.name))
    if name not in AUTHORS:
        known = ", ".join(AUTHORS)
        raise UserError(f"{name}: no released code takes it; --to authors is for {known}")
    # Parameters are named as the authors name them; only the network's own prefix is ours.
    network: Any = restoring.model.network
    file = io.BytesIO()
    tensors = {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
    torch.save({AUTHORS[name]: tensors}, file)
    held = torch.load(io.BytesIO(file.getvalue()), weights_only=True)[AUTHORS[name]]
    network.load_state_dict(held)  # what is compared then is what was written
    return file.getvalue(), restoring


KINDS: dict[str, Callable[[TrainedModel, Restoring], Written]] = {
    "torch": as_program,
    "onnx": as_onnx,
    "authors": as_authors,
}
