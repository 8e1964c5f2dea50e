"""What users paste into BasicSR's option files."""

from collections.abc import Sequence
from pathlib import Path

from blurbench.datasets.export.read import ExportPair
from blurbench.files import write_text

PATCH = 256  # the usual crop; less where pictures are smaller, for BasicSR refuses those
TEMPLATE = """\
# BasicSR options of this split: paste them below `datasets:`, with `scale: 1` at the top level.
# Paths are relative to the folder of this file.
{split}:
  name: {name}
  type: PairedImageDataset
{roots}
  io_backend:
    type: {backend}
"""
TRAIN = """\
  gt_size: {patch}
  use_hflip: true
  use_rot: true
  use_shuffle: true
  num_worker_per_gpu: 4
  batch_size_per_gpu: 8
  dataset_enlarge_ratio: 1
  prefetch_mode: ~
"""


def write_options(
    out: Path, pairs: Sequence[ExportPair], roots: dict[str, str], *, backend: str
) -> None:
    """SPLIT.yml for one split, whose files lie at `roots` by the names of BasicSR's options."""
    split = pairs[0].split
    lines = "\n".join(f"  {key}: {value}" for key, value in roots.items())
    text = TEMPLATE.format(split=split, name=split, roots=lines, backend=backend)
    if split == "train":
        smallest = min(min(pair.height, pair.width) for pair in pairs)
        text += TRAIN.format(patch=min(PATCH, smallest))
    write_text(out / f"{split}.yml", text)
