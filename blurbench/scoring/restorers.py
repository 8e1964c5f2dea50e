"""Where restored pictures come from: the blur itself, a folder of files, or a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from blurbench.datasets.dataset import one_hot
from blurbench.datasets.format import Row
from blurbench.datasets.pairs import ScoredSplit
from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images import BadImage, check_header, decode, image_files, read_bytes
from blurbench.images.header import Peculiarities
from blurbench.models.base import Labels
from blurbench.names import MatchedNames, match_names
from blurbench.runs.trained import Restored, TrainedModel
from blurbench.scoring.result_folder import TrainedOn
from blurbench.scoring.trained_on import trained_on
from blurbench.weights.shipped import is_shipped


class Restorer(ABC):
    """Gives the restored picture for a blurred one."""

    kind: ClassVar[str]
    timed: ClassVar[bool] = False  # whether the time that `restore` takes means anything
    checkpoint: Path | None = None  # the run or file of the weights that restore
    trained_on: TrainedOn | None = None  # what these learnt from
    hashes: Mapping[str, str] = {}  # id -> SHA-256 of its file, where pictures come as files
    # Makes the same in another process, once rows are prepared; picklable, and small.
    again: Callable[[], "Restorer"] | None = None

    def __init__(self, name: str, provenance: dict[str, Any] | None = None) -> None:
        """`name` is what the leaderboard calls it, `provenance` how it was made."""
        self.name = name
        self.provenance = provenance or {}

    def know(self, data: ScoredSplit) -> None:  # noqa: B027
        """Be told whose rows will come; UserError where they lack the labels that it needs."""

    def prepare(self, rows: Sequence[Row]) -> list[str]:  # noqa: ARG002
        """Look at all rows before the first; returns what the user should know, a line each."""
        return []

    @abstractmethod
    def restore(self, blur: np.ndarray, row: Row) -> Restored:
        """(H, W, 3) uint8 blurred -> restored, same shape."""


class Identity(Restorer):
    """The blurred picture as it is: the baseline of every table."""

    kind = "identity"

    def __init__(self, name: str = "identity") -> None:
        """The baseline under its usual name, or another."""
        super().__init__(name)
        self.again = partial(Identity, name)

    def restore(self, blur: np.ndarray, row: Row) -> Restored:  # noqa: ARG002
        """Give `blur` back."""
        return Restored(blur)


class ModelRestorer(Restorer):
    """A function of the blurred picture."""

    kind = "model"
    timed = True

    def __init__(
        self,
        name: str,
        function: Callable[[np.ndarray], Restored],
        provenance: dict[str, Any] | None = None,
    ) -> None:
        """`function` takes (H, W, 3) uint8 and gives the same shape."""
        super().__init__(name, provenance)
        self.function = function

    def restore(self, blur: np.ndarray, row: Row) -> Restored:  # noqa: ARG002
        """Run the function."""
        return self.function(blur)


class OracleRestorer(Restorer):
    """A run that restores with the true labels of each picture."""

    kind = "model"
    timed = True

    def __init__(self, name: str, run: TrainedModel, provenance: dict[str, Any]) -> None:
        """`run` with `restore_labels`, which results tell."""
        self.wanted = run.model.restore_labels
        super().__init__(name, {**provenance, "restores_with": list(self.wanted)})
        self.run = run
        self.data: ScoredSplit | None = None

    def know(self, data: ScoredSplit) -> None:
        """Keep the split that the labels are of."""
        for name in self.wanted:
            if not all(row.get(name) or f"{name}_file_name" in row for row in data.rows):
                raise UserError(
                    f"{data.place}: no {name} of every picture, with which {self.name} restores;"
                    " evaluate it on a data set that has them"
                )
        self.data = data

    def prepare(self, rows: Sequence[Row]) -> list[str]:  # noqa: ARG002
        """Say what the scores are."""
        told = " and ".join(self.wanted)
        return [f"{self.name} restores with the true {told} of each picture: an oracle, no rival"]

    def restore(self, blur: np.ndarray, row: Row) -> Restored:
        """Run the model on the whole picture."""
        return self.run.restore_labelled(blur, self.labels(row))

    def labels(self, row: Row) -> Labels:
        """Those of a row, as an item of the data set has them."""
        assert self.data is not None
        found = {"id": row["id"], **({"captions": row["captions"]} if "captions" in row else {})}
        if "mask" in self.wanted:
            found["mask"] = one_hot(self.data.picture(row, "mask"))
        return found


class FolderRestorer(Restorer):
    """Restored pictures that lie in a folder, paired by name and never by sort order.

    A file is named after the id of its pair or after its blurred picture, as `names` reads them.
    """

    kind = "folder"

    def __init__(
        self,
        folder: Path,
        name: str | None = None,
        found: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Raises UserError where `folder` holds no pictures; its own name is the default name.

        found: the files of each pair, by id, below `folder`: what `prepare` finds out.
        """
        super().__init__(name or folder.resolve().name, {"folder": folder.resolve().name})
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of restored images")
        self.folder, self.told, self.found = folder, Peculiarities(), found or {}
        self.files = [path.relative_to(folder).as_posix() for path in image_files(folder)]
        if not self.files:
            raise UserError(f"{folder}: holds no pictures (jpg, png, webp, tif, bmp, pgm)")

    def prepare(self, rows: Sequence[Row]) -> list[str]:
        """Pair files and rows; UserError where not one file has a name of the data set.

        The provenance gets a hash over the paired files: other pictures are another result.
        """
        wanted = {row["id"]: (row["id"], row["blur_file_name"]) for row in rows}
        matched = match_names(wanted, self.files)
        self.found = {id: [file] for id, file in matched.names.items()} | matched.doubled
        notes = [f"{self.folder}: {each}" for each in _told(matched)]
        if not self.found:
            why = "; ".join(_told(matched))
            raise UserError(f"{self.folder}: holds no picture of a pair ({why}); {_such_as(rows)}")
        self.again = partial(FolderRestorer, self.folder.absolute(), self.name, self.found)
        self.provenance["files_sha256"] = self._hash()
        return [*notes, *self.told.lines()]

    def _hash(self) -> str:
        """SHA-256 over the id and the SHA-256 of each paired file, sorted; keeps those."""
        pairs = ((id, self.folder / file) for id, files in self.found.items() for file in files)
        looked = [(id, self._look(path)) for id, path in pairs]
        self.hashes = dict(looked)
        return sha256("\n".join(sorted(f"{id} {found}" for id, found in looked)).encode())

    def _look(self, path: Path) -> str:
        """SHA-256 of a file; notes what its header tells."""
        data = read_bytes(path)
        with suppress(BadImage):  # told when it is its turn
            self.told.add(path.name, check_header(data, str(path)).told)
        return sha256(data)

    def restore(self, blur: np.ndarray, row: Row) -> Restored:
        """Read the row's file; UserError if missing, doubled, damaged or of another size."""
        files = self.found.get(row["id"], [])
        if not files:
            raise UserError(f"{self.folder}: no picture named {row['id']}")
        if len(files) > 1:
            raise UserError(
                f"{self.folder}: several pictures for {row['id']}: {', '.join(files)}; keep one"
            )
        path = self.folder / files[0]
        data = read_bytes(path)
        image = decode(data, str(path))
        if image.shape != blur.shape:
            raise UserError(
                f"{path}: {image.shape[1]}x{image.shape[0]} px, "
                f"expected {blur.shape[1]}x{blur.shape[0]}"
            )
        return Restored(image, file_sha256=sha256(data))


def _told(matched: MatchedNames) -> list[str]:
    """What is left over, a line each kind."""
    lines = []
    if strays := matched.strays:
        lines = [f"{_some(strays)} {'belong' if len(strays) > 1 else 'belongs'} to no pair"]
    if matched.loose:
        lines.append(_told_loose(matched))
    if matched.unclear:
        name, ids = next(iter(matched.unclear.items()))
        first = f"{name} could be of {_some(list(ids))}"
        rest = len(matched.unclear) - 1
        lines.append(first + (f", and {rest} more are as unclear" if rest else ""))
    return lines


def _told_loose(matched: MatchedNames) -> str:
    """How many files are named otherwise than their pairs: `cat_face.png` may be no `cat`."""
    keys = {name: key for key, name in matched.names.items()}
    keys |= {name: key for key, names in matched.doubled.items() for name in names}
    first, count = matched.loose[0], len(matched.loose)
    named = (
        "file is named otherwise than its pair"
        if count == 1
        else ("files are named otherwise than their pairs")
    )
    return f"{count} {named}, such as {first}, which is taken for {keys[first]}; look whether it is"


def _such_as(rows: Sequence[Row]) -> str:
    """Names that would be taken."""
    if not rows:
        return "this split has no pairs"
    names = dict.fromkeys([f"{rows[0]['id']}.png", rows[0]["blur_file_name"]])
    return f"name them like {' or '.join(names)}"


def _some(names: Sequence[str]) -> str:
    """The first few of many names."""
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")


def trained(
    checkpoint: Path,
    name: str | None,
    device: str | None,
    model: str | None = None,
    preset: str = "paper",
) -> ModelRestorer | OracleRestorer:
    """A finished run, or a file of weights of `model`; UserError where it is none."""
    from blurbench.models.base import parameter_count
    from blurbench.models.cost import gmacs
    from blurbench.runs.load import load_checkpoint

    loaded = load_checkpoint(checkpoint, device, model, preset)
    if not loaded.model.RESTORES:
        raise UserError(
            f"{checkpoint}: {loaded.name} describes pictures and restores none; see"
            " `blurbench captions generate` and `captions score`"
        )
    cost = {
        "params": parameter_count(*loaded.model.inference_modules()),
        "gmacs_256": round(gmacs(loaded.model), 3),
    }
    called = str(checkpoint) if is_shipped(checkpoint) else loaded.name
    restorer = _by(loaded, name or called, cost)
    restorer.checkpoint, restorer.trained_on = checkpoint, trained_on(checkpoint)
    assert loaded.again is not None
    restorer.again = partial(_by_again, loaded.again, restorer.name)
    return restorer


def _by_again(load: Callable[[], TrainedModel], name: str) -> Restorer:
    return _by(load(), name, {})


def _by(loaded: TrainedModel, name: str, cost: dict[str, Any]) -> ModelRestorer | OracleRestorer:
    provenance = {**loaded.provenance, "device": str(loaded.device), **cost}
    if loaded.model.restore_labels:
        return OracleRestorer(name, loaded, provenance)
    return ModelRestorer(name, loaded.restore, provenance)
