"""Looks at a run: validation beside the blurred pictures, patience, samples at named steps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toy import Toy, make_runner, weights

from blurbench.files import read_jsonl
from blurbench.images import to_uint8
from blurbench.metrics import compute
from blurbench.models import build
from blurbench.models.base import Figures, Stage
from blurbench.training.checkpoint import checkpoints, load_progress
from blurbench.training.runner import Runner
from blurbench.training.validation import spread


class Warm(Toy):
    """The first stage only."""

    def stages(self) -> tuple[Stage, ...]:
        return super().stages()[:1]


def rows_of(folder: Path, stage: str) -> list[dict[str, Any]]:
    return [row for row in read_jsonl(folder / "log.jsonl") if row["stage"] == stage]


def test_every_validation_tells_the_gain_over_the_blurred_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = make_runner(tmp_path, 4)
    runner.run()
    (identity,) = rows_of(tmp_path, "identity")
    (look,) = rows_of(tmp_path, "validation")
    item = to_uint8(runner.validation[0]["sharp"])  # type: ignore[index]
    assert identity["step"] == 0
    assert identity["psnr"] == pytest.approx(compute("psnr", item // 2, item), abs=1.0)
    gain = look["psnr"] - identity["psnr"]
    told = f"step 4: validation PSNR {look['psnr']:.2f} dB, {gain:+.2f} dB over blurred"
    assert told in capsys.readouterr().err
    assert load_progress(checkpoints(tmp_path)[-1]).blurred == identity["psnr"]


def test_patience_ends_a_run_that_gets_no_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {25: 20.0, 50: 21.0, 75: 20.0, 100: 19.0, 125: 22.0}

    def run(folder: Path, asked: int | None = None) -> Runner:
        runner = make_runner(folder, 150, Warm, patience=2)
        judged = lambda *_: ("psnr", scores[runner.at.step])  # noqa: E731
        monkeypatch.setattr("blurbench.training.runner.judge", judged)
        step = runner.step

        def step_then_stop(*given: Any) -> None:
            step(*given)
            runner.stop.asked = runner.at.step + 1 == asked

        runner.step = step_then_stop  # type: ignore[method-assign]
        runner.run()
        return runner

    whole = run(tmp_path / "whole")
    assert (whole.at.step, whole.at.best_step, whole.at.stopped) == (100, 50, True)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", 80)
    again = run(tmp_path / "broken")
    assert again.at == whole.at
    assert weights(tmp_path / "whole") == weights(tmp_path / "broken")
    # It is finished: nothing more is trained.
    assert run(tmp_path / "whole").at.step == 100


class Followed(Warm):
    """Tells the level of each picture."""

    def sample_figures(self, blur: torch.Tensor, sharp: torch.Tensor) -> Figures:
        assert not self.training
        return {"blur": float(blur.mean()), "sharp": float(sharp.mean())}


def test_samples_are_kept_at_named_steps(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, 30, Followed, sample_at=(3, 25, 29))
    runner.run()
    kept = [int(path.stem) for path in sorted((tmp_path / "samples").iterdir())]
    assert kept == [3, 25, 29, 30]  # the validations at 25 and 30 among them
    rows = rows_of(tmp_path, "sample")
    ids = [spread(len(runner.samples), 4)[n] for n in (0, 1)]
    assert [(row["step"], row["id"]) for row in rows] == [
        (step, f"p{index}") for step in (3, 25, 29) for index in ids
    ]
    assert rows[0]["sharp"] == pytest.approx(2 * rows[0]["blur"])


def test_umsn_tells_its_confidence_of_a_face() -> None:
    model = build("umsn", preset="tiny")
    blur, sharp = torch.rand(2, 1, 3, 32, 32)
    found = model.sample_figures(blur, sharp)
    wanted = model.face_confidence(blur, sharp)[0].tolist()  # type: ignore[attr-defined]
    assert found == {f"confidence_{n}": c for n, c in enumerate(wanted, start=1)}
    assert not build("umsn", preset="tiny", confidence=False).sample_figures(blur, sharp)
