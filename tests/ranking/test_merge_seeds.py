import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.ranking.boards import make_boards

RNG = np.random.default_rng(0)
HARD = RNG.normal(0, 3, 20)


def psnr(mean, count=20):
    return {f"id{index:02}": float(mean + HARD[index]) for index in range(count)}


def provenance(seed, **more):
    common = {"model": "unet", "preset": "tiny", "steps": 10, "config": {"width": 8}}
    own = {"run": f"run{seed}", "run_hash": f"hash{seed}", "weights": f"weights{seed}"}
    return {**common, "data": {"digest": "t" * 64, "recipe": "demo"}, "seed": seed, **own, **more}


@pytest.fixture
def make(make_result, tmp_path):
    def write(name, seed, scores, **more):
        changes = {"milliseconds_median": 10.0 + seed, "provenance": provenance(seed, **more)}
        return make_result(tmp_path / name, name, scores, **changes)

    return write


def names(board):
    return [entry.result.model for entry in board.entries]


def test_seeds_of_one_model_are_one_row_with_both_variances(make, make_result, tmp_path):
    folders = [make(f"unet-seed{seed}", seed, psnr(20 + seed)) for seed in (2, 0, 1)]
    blur = make_result(tmp_path / "blur", "identity", psnr(18), restored_by="identity")
    [board] = make_boards([*folders, blur])
    assert names(board) == ["identity", "unet"]
    entry = board.entries[1]
    score = entry.scores["psnr"]
    assert score.estimate.mean == pytest.approx(21 + HARD.mean())
    assert score.seed_sd == pytest.approx(1)
    assert score.gain.mean == pytest.approx(3)
    # Over pictures: the spread of HARD, which the seeds share.
    half = (score.estimate.high - score.estimate.low) / 2
    assert half == pytest.approx(2.09 * HARD.std(ddof=1) / np.sqrt(20), rel=0.1)
    assert [run.model for run in entry.result.runs] == ["unet-seed0", "unet-seed1", "unet-seed2"]
    assert entry.result.summary.milliseconds_median == 11
    assert not {"seed", "run", "weights"} & entry.result.summary.provenance.keys()
    assert board.entries[0].scores["psnr"].seed_sd is None


def test_runs_of_one_name_and_other_seeds_need_no_other_names(make, make_result, tmp_path):
    one = make("a", 0, psnr(20))
    other = make_result(tmp_path / "b", "a", psnr(22), provenance=provenance(1))
    [board] = make_boards([one, other])
    assert names(board) == ["a"]


@pytest.mark.parametrize(
    "more",
    [
        {"preset": "paper"},
        {"steps": 11},
        {"config": {"width": 9}},
        {"data": {"digest": "u" * 64, "recipe": "demo"}},
        {"init": "w" * 64},
    ],
)
def test_what_differs_by_more_than_its_seed_is_another_model(make, more):
    [board] = make_boards([make("one", 0, psnr(20)), make("two", 1, psnr(21), **more)])
    assert names(board) == ["two", "one"]


def test_pairs_blurred_anew_from_another_seed_are_the_same_data(make):
    data = [{"digest": f"recipe:{letter * 64}", "recipe": "demo"} for letter in "ab"]
    folders = [make(f"r{seed}", seed, psnr(20), data=data[seed]) for seed in (0, 1)]
    [board] = make_boards(folders)
    assert names(board) == ["r"]


def test_what_older_runs_do_not_tell_of_their_data_keeps_no_seeds_apart(make):
    data = {"digest": "t" * 64, "recipe": "demo"}
    told = {**data, "sources": {"sha256": "s" * 64, "train": 4, "val": 1}}
    [board] = make_boards([make("r0", 0, psnr(20), data=data), make("r1", 1, psnr(20), data=told)])
    assert names(board) == ["r"]
    captions = [{**data, "captions": letter * 64} for letter in "ab"]
    folders = [make(f"c{seed}", seed, psnr(20), data=captions[seed]) for seed in (0, 1)]
    [board] = make_boards(folders)
    assert names(board) == ["c0", "c1"]


def test_seeds_of_which_one_saw_the_pictures_are_not_ranked(make_result, tmp_path):
    saw = {"leaks": {"train": 3, "first": "id00"}}
    folders = [
        make_result(
            tmp_path / f"r{seed}", f"r{seed}", psnr(20), provenance=provenance(seed), **more
        )
        for seed, more in ((0, {}), (1, saw), (2, {"leaks": {"unchecked": "old"}}))
    ]
    [board] = make_boards([*folders, make_result(tmp_path / "other", "other", psnr(19))])
    assert names(board) == ["other", "r"]
    assert [entry.scores["psnr"].rank for entry in board.entries] == [1, None]
    assert board.entries[1].result.unranked == "trained on the sources of 3 pictures"
    assert board.entries[1].result.summary.leaks.pictures == 3


def test_the_same_seed_twice_stays_two_rows(make, make_result, tmp_path):
    [board] = make_boards([make("one", 0, psnr(20)), make("two", 0, psnr(21))])
    assert names(board) == ["two", "one"]
    twin = make_result(tmp_path / "twin", "one", psnr(20), provenance=provenance(0))
    with pytest.raises(UserError, match="both called 'one'"):
        make_boards([tmp_path / "one", twin])


def test_a_picture_that_one_seed_lacks_is_missing_of_the_mean(make):
    first, second = make("s0", 0, psnr(20)), make("s1", 1, psnr(22, 15))
    [board] = make_boards([first, second, make("other", 7, psnr(5), steps=9)])
    [entry] = [entry for entry in board.entries if entry.result.runs]
    assert (entry.result.images, entry.missing, entry.scores["psnr"].rank) == (15, 5, None)
    assert entry.scores["psnr"].estimate.mean == pytest.approx(21 + HARD[:15].mean())


def test_seeds_that_begin_each_with_weights_of_its_own_are_one_row_by_their_names(make):
    alike = [make(f"tuned_seed-{n}", n, psnr(20 + n), init=f"{n}" * 64) for n in (1, 2, 3)]
    other = make("other", 4, psnr(30), init="4" * 64)
    [board] = make_boards([*alike, other])
    assert names(board) == ["other", "tuned"]
    entry = board.entries[1]
    assert entry.scores["psnr"].estimate.mean == pytest.approx(22 + HARD.mean())
    assert "init" not in entry.result.summary.provenance
    assert [run.summary.provenance["init"][0] for run in entry.result.runs] == ["1", "2", "3"]
    # Of one file of weights they are one whatever they are called, and with none of them another.
    same = [make(name, n, psnr(20), init="5" * 64) for n, name in enumerate(("plain a", "plain b"))]
    [board] = make_boards([*same, make("plain c", 7, psnr(21), init=None)])
    assert sorted(names(board)) == ["plain", "plain c"]
