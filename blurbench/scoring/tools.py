"""What metrics need beside the pictures: a row's labels, and networks that the user brings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blurbench.datasets.format import Row
from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError, reason
from blurbench.files import sha256
from blurbench.images import to_float
from blurbench.metrics import find_metric
from blurbench.metrics.features import load_features
from blurbench.metrics.networks.face_detector import load_face_detector
from blurbench.metrics.recognition import Gallery
from blurbench.runs.folder import weights_file
from blurbench.runs.load import load_checkpoint
from blurbench.runs.trained import TrainedModel
from blurbench.weights.places import named

# `--using NAME=VALUE`, by name: what it is for, and what it is.
TOOLS = {
    "segmenter": "finds face classes: a run of umsn that learnt to, hence not with maps=labels",
    "detector": "finds blurred squares: a run of igan or brmr trained with blur_negatives",
    "features": "gives deep features: VGG-Face weights, a .pt2 network, or 'pixels'",
    "embedding": "recognises faces: dlib-face, a .pt2 network, VGG-Face weights, or 'pixels'",
    "faces": "finds faces in photographs: face-detector",
}
# Label that a metric needs -> the tool that makes it.
MADE_BY = {"gallery": "embedding"}


class MetricInputs:
    """Gives each row of a split what some metrics need of it beside the restored picture."""

    def __init__(
        self,
        data: ScoredSplit,
        metrics: Sequence[str],
        using: Mapping[str, str],
        device: str | None = None,
    ) -> None:
        """Open the tools. UserError: one is missing, unknown or unreadable, or a label is."""
        self.data, self.device, self.using = data, device, using
        self.notes: list[str] = []  # what the user should know of the tools, a line each
        self.needs = {name for metric in metrics for name in find_metric(metric).needs}
        check_tools(using, self.needs, metrics)
        self._check_columns(metrics)
        self.tools: dict[str, Any] = {
            name: self._open(name, value) for name, value in using.items()
        }
        self.provenance = {name: identify(value) for name, value in using.items()}
        if "gallery" in self.needs:
            self.tools["gallery"] = self._gallery(self.tools["embedding"])

    def of(self, row: Row, blur: np.ndarray) -> dict[str, Any]:
        """Label or tool by name, for one row."""
        found: dict[str, Any] = {name: self.tools[name] for name in self.needs & self.tools.keys()}
        if "mask" in self.needs:
            found["mask"] = self.data.picture(row, "mask")
        if "blur" in self.needs:
            found["blur"] = blur
        if "box" in self.needs:
            found["box"] = row["box"]
            # The side of the square is told, its place is to be found.
            found["detector"] = lambda image: self.tools["detector"](image, row["box"][2])
        if "identity" in self.needs:
            found["identity"] = row["identity"]
        return found

    def _check_columns(self, metrics: Sequence[str]) -> None:
        columns = {"mask": "mask_file_name", "box": "box", "identity": "identity"}
        for label, column in columns.items():
            if label in self.needs and any(column not in row for row in self.data.rows):
                wanting = [name for name in metrics if label in find_metric(name).needs]
                raise UserError(
                    f"{wanting[0]} needs the {label} of every picture; recipe"
                    f" {self.data.recipe_name} has none"
                )

    def _open(self, name: str, value: str) -> Callable[..., Any]:
        if name in ("features", "embedding"):
            return load_features(value)
        if name == "faces":
            return load_face_detector(named(Path(value)))
        run = load_checkpoint(Path(value), self.device)
        method = {"segmenter": "face_maps", "detector": "blurred_boxes"}[name]
        if not hasattr(run.model, method) or run.model.restore_labels:
            raise UserError(f"--using {name}={value}: a run of {run.name}; it {TOOLS[name]}")
        if name == "segmenter":
            return segmenter(run)
        if not run.model.config.model_dump().get("blur_negatives"):
            self.notes.append(
                f"warning: --using detector={value}: trained without blur_negatives, it has never"
                " seen a sharp picture with a blurred square; train with --set blur_negatives=true"
            )
        return detector(run)

    def _gallery(self, embed: Callable[[np.ndarray], np.ndarray]) -> Gallery:
        # Embedded once: each probe is compared with all of them.
        known = [row for row in self.data.rows if row.get("role") == "gallery"]
        if not known:
            raise UserError(f"recipe {self.data.recipe_name} has no gallery to recognise from")
        pictures = [self.data.picture(row, "sharp") for row in known]
        try:
            vectors = np.stack([embed(picture) for picture in pictures])
        except (ValueError, RuntimeError, AssertionError) as error:
            told = f"--using embedding: {self.provenance['embedding']} does not fit these pictures"
            raise UserError(f"{told}: {reason(error)}") from None
        return Gallery(embed, vectors, [str(row["identity"]) for row in known])


def check_tools(using: Mapping[str, str], needs: set[str], metrics: Sequence[str]) -> None:
    """UserError for a tool that is unknown, or wanted and not there."""
    for name in using:
        if name not in TOOLS:
            raise UserError(f"--using {name}: unknown; known: {', '.join(TOOLS)}")
    for line in tools_missing(using, needs, metrics):
        raise UserError(line)


def tools_missing(
    using: Mapping[str, str], needs: set[str], metrics: Sequence[str]
) -> Iterator[str]:
    """A line for each tool that is wanted and not named."""
    for need in sorted(needs):
        tool = MADE_BY.get(need, need)
        if tool in TOOLS and tool not in using:
            wanting = next(name for name in metrics if need in find_metric(name).needs)
            yield f"{wanting} needs --using {tool}=..., which {TOOLS[tool]}"


def identify(value: str) -> str:
    """A tool's name and the hash of its weights: what a result was measured with."""
    path = Path(value)
    file = weights_file(named(path))
    return f"{path.name} {sha256(file.read_bytes())[:12]}" if file.is_file() else value


def segmenter(run: TrainedModel) -> Callable[[np.ndarray], np.ndarray]:
    """(H, W, 3) uint8 -> (H, W) labels 0 to 3."""
    model: Any = run.model
    return lambda image: model.face_maps(batch(image, run))[0].argmax(0).cpu().numpy()


def detector(run: TrainedModel) -> Callable[[np.ndarray, int], Any]:
    """(H, W, 3) uint8 and a side in px -> the most blurred square."""
    model: Any = run.model
    return lambda image, side: model.blurred_boxes(batch(image, run), side)[0]


def batch(image: np.ndarray, run: TrainedModel) -> torch.Tensor:
    """(1, 3, H, W) in [0, 1] on the run's device."""
    return torch.from_numpy(to_float(image))[None].to(run.device)


def to_score(rows: Sequence[Row]) -> list[Row]:
    """The rows to restore and score: not the sharp pictures of a gallery."""
    return [row for row in rows if row.get("role") != "gallery"]
