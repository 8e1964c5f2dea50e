"""Results, boards, studies and estimates."""

from functools import partial

from reader_examples import document

from blurbench.errors import UserError
from blurbench.estimates.pairs import KnownPair
from blurbench.estimates.record import ABOUT, LINES, FinishedPairs, claim
from blurbench.estimates.results import write_results
from blurbench.files import read_json
from blurbench.ranking.csv_files import read_csv
from blurbench.ranking.results import read_result
from blurbench.ranking.submissions.entry import CHECKS, ENTRY, read_checks, read_entry
from blurbench.reproduce.sharing import FAILED, Sharing, holder
from blurbench.reproduce.studies.records import read_record
from blurbench.scoring.result_folder import CaptionSummary, parse, read_begun
from blurbench.stores.folder import Folder
from readers import result_examples as examples
from readers.base import Reader, folder, of, scratch, written


def result(file: str, data: bytes) -> object:
    return read_result(folder("result", examples.result, file, data))


def begun_result(data: bytes) -> object:
    return read_begun(written("begun-result/results.jsonl", data).parent, ["psnr"])


def board_csv(data: bytes) -> object:
    here = [result("summary.json", examples.result()["summary.json"])]
    return read_csv(written("scores.csv", data), here)


def study(file: str, data: bytes) -> object:
    return read_record(folder("study", examples.study, file, data), examples.STUDY_CONFIG)


def job(data: bytes) -> object:
    return holder(written("claim/.lock", data).parent)


def failed_job(data: bytes) -> object:
    sharing = Sharing(scratch() / "no-jobs")  # as if it failed since
    sharing.folder = written(f"jobs/a/{FAILED}", data).parents[1]
    return sharing.failed("a")


def row_of_a_board(data: bytes) -> object:
    root = folder("board", examples.board, examples.BOARD_ROW + ENTRY, data)
    return read_entry(root / examples.BOARD_ROW)


def checks(data: bytes) -> object:
    return read_checks(folder("board", examples.board, CHECKS, data))


def estimates(data: bytes) -> object:
    root = folder("estimates", examples.estimated, LINES, data)
    pair = KnownPair("test", "a", Folder(root), *examples.ESTIMATED)
    known = FinishedPairs(root).of([pair])
    if not known:
        raise UserError("all of it is estimated again")
    return write_results(root, [*known.values()], "pairs", "by this test")


def asked(data: bytes) -> object:
    root = written(f"asked/{ABOUT}", data).parent
    claim(root, examples.ESTIMATE)
    return read_json(root / ABOUT)


def rows(*names: str) -> list[bytes]:
    return [examples.result()[name] for name in names]


RESULTS: tuple[Reader, ...] = (
    Reader("summary of a result", partial(result, "summary.json"), lambda: rows("summary.json")),
    Reader("scores of a result", partial(result, "results.jsonl"), lambda: rows("results.jsonl")),
    Reader("scores of a begun result", begun_result, lambda: rows("results.jsonl")),
    Reader(
        "summary of a captioner",
        lambda data: parse(CaptionSummary, data, "summary.json"),
        examples.caption_summaries,
    ),
    Reader("scores from elsewhere", board_csv, examples.boards),
    Reader("study run.json", partial(study, "run.json"), of(examples.study, "run.json")),
    Reader("study config.json", partial(study, "config.json"), of(examples.study, "config.json")),
    Reader("study scores.csv", partial(study, "scores.csv"), of(examples.study, "scores.csv")),
    Reader("entry of a board", row_of_a_board, of(examples.board, examples.BOARD_ROW + ENTRY)),
    Reader("checks of a board", checks, of(examples.board, CHECKS)),
    Reader("estimates of pairs", estimates, of(examples.estimated, LINES)),
    Reader("what is estimated", asked, lambda: document(examples.ESTIMATE)),
    Reader("failure of a job", failed_job, lambda: document({"why": "no memory", "by": "a 7"})),
    Reader("claim of a job", job, lambda: [b'{"machine": "a", "process": 7}']),
)
