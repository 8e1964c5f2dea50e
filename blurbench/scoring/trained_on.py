"""How much training stands behind some weights, as far as their run tells."""

from pathlib import Path

from blurbench.errors import UserError
from blurbench.runs.folder import CONFIG, read_config, weights_file
from blurbench.runs.history import minutes_of
from blurbench.runs.own_weights import refuse_foreign
from blurbench.scoring.result_folder import TrainedOn


def trained_on(checkpoint: Path) -> TrainedOn | None:
    """Of a run, or of a file of its weights; None for weights from elsewhere."""
    run = checkpoint if checkpoint.is_dir() else checkpoint.parent
    if not (run / CONFIG).is_file():
        return None
    try:
        refuse_foreign(weights_file(checkpoint))
        config, minutes = read_config(run), minutes_of(run)
    except UserError:  # a log that is damaged costs this line alone
        return None
    pictures = config["data"].get("sources", {}).get("train")
    steps = config.get("stopped", config["steps"])
    batch = config["config"].get("batch_size")
    # Batches that grow are not told by one number.
    told = pictures and isinstance(batch, int) and not config["config"].get("batches")
    return TrainedOn(
        steps=steps,
        sharp_pictures=pictures,
        epochs=round(steps * int(batch) / pictures, 2) if told and batch and pictures else None,
        hours=round(minutes / 60, 3) if minutes else None,
        device=config.get("processor"),
        sets=config["data"].get("recipe") if config["data"].get("sets") else None,
    )
