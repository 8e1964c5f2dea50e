"""A network's output as grey levels."""

import numpy as np

from blurbench.metrics.protocols import Levels, NoScore


def graded(restored: np.ndarray, levels: Levels) -> np.ndarray:
    """A picture in [0, 1] as grey levels 0 to 255; uint8 stays as it is.

    Raises NoScore where a value is no number: it would pass for black.
    """
    if not np.issubdtype(restored.dtype, np.floating):
        return restored
    if np.isnan(restored).any():
        raise NoScore("the restored picture holds values that are not numbers")
    # In the picture's own precision, as it is rounded when it is written to a file.
    values = np.clip(restored, 0, 1) * 255
    if levels == "exact":
        out: np.ndarray = values.astype(np.float64)
        return out
    return rounded(values) if levels == "rounded" else np.floor(values).astype(np.uint8)


def rounded(image: np.ndarray) -> np.ndarray:
    """Levels 0 to 255 as uint8, which is what networks that look at pictures take."""
    return image if image.dtype == np.uint8 else np.rint(image).astype(np.uint8)
