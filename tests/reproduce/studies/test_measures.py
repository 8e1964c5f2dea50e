"""Numbers other than PSNR: captions scored picture by picture, what a log says of confidences."""

import json
from types import SimpleNamespace

import pytest

from blurbench.captions import score
from blurbench.reproduce.studies import measures
from blurbench.reproduce.studies.figures import balances
from blurbench.reproduce.studies.page import balances as on_page
from blurbench.reproduce.studies.page import study_page
from blurbench.reproduce.studies.records import RunScores
from blurbench.reproduce.studies.registry import find_study
from blurbench.reproduce.studies.results import results
from blurbench.reproduce.studies.study import Arm, Measure

SAID = {"a": "a dog runs", "b": "a cat sits on a mat", "c": "two boats"}
PEOPLE = {
    "a": ["a dog runs over grass", "the dog runs"],
    "b": ["a cat on a mat", "a cat sits"],
    "c": ["a boat", "two boats on a lake"],
}


def test_captions_are_scored_picture_by_picture(monkeypatch):
    rows = [{"id": id, "captions": PEOPLE[id]} for id in PEOPLE] + [{"id": "d"}]
    bench = SimpleNamespace(weights=lambda *_: "last", device="cpu")
    monkeypatch.setattr(measures, "load_checkpoint", lambda *_: "captioner")
    monkeypatch.setattr(measures, "write_captions", lambda *_: SAID)
    found = measures.captions(bench, SimpleNamespace(rows=rows), None, 1)
    wanted = score(PEOPLE, SAID, ("cider",), tokenizer="python").scores["CIDEr"]
    assert list(found) == ["a", "b", "c"]
    assert sum(found.values()) / 3 == pytest.approx(wanted)


def arm(name):
    return Arm(name, "", "nic", 1.0, steps=1)


def kept_of(**values):
    """Records of each arm, one seed after the other, of pictures a and b."""
    sources = {"a": "a", "b": "b"}
    return {
        name: {
            seed: SimpleNamespace(
                scores=RunScores({}, {}, {}, sources, {}, dict(zip("ab", each, strict=True)))
            )
            for seed, each in enumerate(seeds, start=1)
        }
        for name, seeds in values.items()
    }


def test_results_are_means_over_seeds_beside_the_first_arm():
    measure = Measure("cider", "", "", (arm("x"), arm("y"), arm("z")), ())
    first, second, third = results(
        measure, kept_of(x=[(0.2, 0.4), (0.4, 0.6)], y=[(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)])
    )
    assert first.value.estimate.mean == pytest.approx(0.4)
    assert first.gap is None
    assert second.value.seeds == {1: 0.1, 2: 0.2, 3: pytest.approx(0.3)}
    assert second.gap.seeds == {1: pytest.approx(-0.2), 2: pytest.approx(-0.3)}
    assert (third.value, third.gap) == (None, None)


def test_balances_are_those_of_the_last_fifth_of_the_log(tmp_path):
    settings = {"confidence_lambda": 0.5, "class_weights": (1, 1, 2, 1)}
    assert balances(tmp_path, settings) == {}  # public weights have no log
    rows = [{"step": 1, "stage": "f-nets", "loss": 1.0}]
    rows += [
        {"step": n, "stage": "network", **{f"weighed_error_{i}": n / 100 for i in (1, 2, 3, 4)}}
        for n in range(1, 11)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = balances(tmp_path, settings)
    assert found == {"background": 0.19, "skin": 0.19, "parts": 0.38, "hair": 0.19}
    assert balances(tmp_path, {**settings, "confidence_lambda": 0.0}) == {}
    (tmp_path / "log.jsonl").write_text(json.dumps(rows[0]) + "\n")
    assert balances(tmp_path, settings) == {}


def test_a_page_tells_balances_only_where_a_run_logged_them():
    runs = {
        "umsn": {1: {"skin": 0.8, "hair": 1.0}, 2: {"skin": 1.0, "hair": 0.5}},
        "bn": {1: None},
    }
    kept = {
        arm: {seed: SimpleNamespace(run=SimpleNamespace(figures=each)) for seed, each in by.items()}
        for arm, by in runs.items()
    }
    assert on_page(kept) == {"umsn": {"skin": pytest.approx(0.9), "hair": 0.75}}
    page = study_page(find_study("study-umsn"), {}, ["umsn/1"], 3, stand_in=False)
    assert "over λ" not in page
    assert "Claim: UMSN beats its base network of as many parameters." in page
    assert "not answered yet" in page
