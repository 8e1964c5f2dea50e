"""Every command that writes, on a disk that is full, nearly full, or read-only.

    unshare -rm python tests/faults/disk.py counts.json [full "a page left" "nearly full" read-only]

In one process, for most of a command's time is its imports. Each is run on the bad disk, and again
on the mended one. Those with workers only on a nearly full one, on which the workers' files are the
first that do not fit.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

HERE = Path(__file__).parent
for place in (HERE.parent / "helpers", HERE.parents[1] / "kernels", HERE.parents[1]):
    sys.path.insert(0, str(place))

import reader_examples  # noqa: E402
import tiny_data  # noqa: E402
from small_results import write_data_set, write_result, write_run  # noqa: E402

from blurbench.__main__ import run  # noqa: E402
from blurbench.files import write_json  # noqa: E402
from blurbench.models import build  # noqa: E402
from blurbench.models.parts.weights import save_tensors  # noqa: E402
from blurbench.weights.entries import Outside, Url  # noqa: E402
from blurbench.weights.registry import OUTSIDE  # noqa: E402

MEGABYTES = 24
# What is left of the disk, bytes: none; some files fit; pictures fit, and weights do not.
LEFT = {"full": 0, "a page left": 4096, "nearly full": 40_960}
READ_ONLY, NEARLY = "read-only", "nearly full"
WITH = ", workers"  # ends the names of commands with --workers
# What of the files given lies on the disk before a command goes on with it.
BEFORE = {
    "card": "whole",
    "evaluate, added": "scored",
    "board verify": "rows",
    "board verify, zip": "rows-zip",
}
SET = ("widths=[4,8]", "blocks=[1,1]", "crop_size=16", "batch_size=2", "precision=fp32")


def commands(given: Path, out: Path) -> dict[str, list[str]]:
    """The command lines, on the files in `given`."""
    data, test, result = (str(given / name) for name in ("train", "test", "result"))
    checkpoint = ["--checkpoint", str(given / "run"), "--device", "cpu"]
    captioner = ["--checkpoint", str(given / "captioner"), "--device", "cpu"]
    settings = [word for each in SET for word in ("--set", each)]
    recipe = [str(given / "recipe.toml"), "--source", str(given / "photos")]
    train = ["train", "--model", "unet", "--preset", "tiny", "--steps", "4", "--device", "cpu"]
    return {
        "synthesize": ["synthesize", *recipe, "--out", str(out)],
        "train": [*train, "--resume", "--data", data, "--out", str(out), *settings],
        "evaluate": ["evaluate", "--data", test, "--out", str(out), "--identity"],
        "leaderboard": ["leaderboard", result, "--out", str(out)],
        "deblur": ["deblur", str(given / "photos"), "--out", str(out), *checkpoint],
        **{
            f"export {kind}": ["export", test, "--to", kind, "--out", str(out)]
            for kind in ("webdataset", "lmdb", "basicsr")
        },
        "kernels": ["kernels", "preview", recipe[0], "--out", f"{out}.png"],
        "card": ["synthesize", *recipe, "--out", str(out), "--source-note", "ours"],
        "captions": ["captions", "generate", str(given / "photos"), "--out", str(out), *captioner],
        # In one second it measures nothing, and ends with 1.
        "reproduce": ["reproduce", "umsn-4", "--minutes", "0.02", "--out", str(out)],
        **more_commands(given, out),
        **with_workers(given, out),
    }


def more_commands(given: Path, out: Path) -> dict[str, list[str]]:
    """Those that write one file, and those that go on with what another wrote."""
    test, run, scored = (str(given / name) for name in ("test", "run", "scored"))
    score = ["evaluate", "--data", test, "--out", str(out)]
    board = ["leaderboard", scored]
    verify = ["board", "verify", str(out), "--data", test, "--device", "cpu"]
    pairs = str(given / "whole" / "train")
    return {
        "evaluate, restored": [*score, "--identity", "--save-restored"],
        "evaluate, added": [*score, "--add", "blur-effect"],
        "matrix": ["matrix", run, "--data", test, "--out", str(out), "--device", "cpu"],
        "leaderboard, latex": [*board, "--out", str(given / "board"), "--latex", f"{out}.tex"],
        "leaderboard, figure": [*board, "--out", str(out), "--figure", "crop-0"],
        "board add": ["board", "add", scored, "--to", str(out)],
        "board verify": verify,
        "board verify, zip": [*verify, "--file", str(given / "restored.zip")],
        "runs": ["runs", str(given / "logged"), "--page", f"{out}.html"],
        "kernels bank": ["kernels", "bank", str(given / "faces.toml"), "--out", f"{out}.npy"],
        "kernels estimate": ["kernels", "estimate", pairs, "--size", "9", "--out", str(out)],
        "captions trees": ["captions", "trees", str(given / "said.json"), "--vocabulary", str(out)],
        "export-model": ["export-model", run, "--to", "torch", "--out", f"{out}.pt2"],
        "weights fetch": ["weights", "fetch", "trial"],
    }


def with_workers(given: Path, out: Path) -> dict[str, list[str]]:
    """Those whose files are written by workers."""
    recipe, many = str(given / "recipe.toml"), str(given / "many")
    test = ["--data", str(given / "many-crops"), "--out", str(out)]
    lines = {
        "synthesize": ["synthesize", recipe, "--source", many, "--out", str(out)],
        "evaluate": ["evaluate", *test, "--identity", "--save-restored"],
        "deblur": ["deblur", many, "--out", str(out), "--checkpoint", str(given / "run")],
    }
    return {f"{name}{WITH}": [*line, "--workers", "2"] for name, line in lines.items()}


def prepare(given: Path) -> None:
    """What the commands read: never on the bad disk."""
    tiny_data.write_photos(given / "photos", 4)
    write_data_set(given / "train", 6, "train")
    write_data_set(given / "test", 6)
    write_result(given / "result", "unet", {"a": 30.0, "b": 31.5})
    write_run(given / "logged")
    (given / "recipe.toml").write_bytes(reader_examples.toml(tiny_data.FLOW))
    for name, data in reader_examples.run().items():
        path = given / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (given / "faces.toml").write_bytes(reader_examples.toml(tiny_data.FACES))
    (given / "said.json").write_text('{"1": ["A dog on a bed.", "A dog"]}')
    write_captioner(given / "captioner")
    tiny_data.write_photos(given / "many", 20)
    write_data_set(given / "many-crops", 40)
    made(commands(given, given / "whole")["synthesize"])
    made(commands(given, given / "scored")["evaluate, restored"])
    made(commands(given, given / "rows")["board add"])
    prepare_zip(given)
    serve(given)


def prepare_zip(given: Path) -> None:
    """A board whose row stands on pictures in a .zip, which restored them."""
    restored = str(given / "test" / "test" / "blur")
    score = ["evaluate", "--data", str(given / "test"), "--restored", restored, "--name", "theirs"]
    made([*score, "--out", str(given / "theirs")])
    shutil.make_archive(str(given / "restored"), "zip", restored)
    row = ["board", "add", str(given / "theirs"), "--restored", str(given / "restored.zip")]
    made([*row, "--to", str(given / "rows-zip")])


def serve(given: Path) -> None:
    """A file of weights that `weights fetch trial` finds on this machine."""
    (given / "weights.bin").write_bytes(bytes(2**17))
    handler = partial(SimpleHTTPRequestHandler, directory=given)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = Url(f"http://127.0.0.1:{server.server_port}/weights.bin")
    OUTSIDE["trial"] = Outside("a trial", "none", address, "own", ("weights.bin",))


def made(line: list[str]) -> None:
    """Run a command that has to work."""
    found = told(line)
    assert found["code"] == 0, (line, found)


def write_captioner(folder: Path) -> None:
    """A run whose captioner has learnt words and no more."""
    model = build("nic", preset="tiny", side=32, words=40, batch_size=4, language_width=16)
    model.learn_language([["A man riding a wave.", "A man riding a wave."]])
    told = {"vocabulary": model.vocabulary_hash(), "model": "nic"}
    write_json(folder / "config.json", reader_examples.config(model) | told)
    model.save_language(folder / "vocabulary.json")
    for name in ("model", "last"):
        save_tensors(folder / f"{name}.safetensors", model.state_dict())


@contextmanager
def own_disk(disk: Path) -> Iterator[None]:
    """A file system of its own."""
    mount("-t", "tmpfs", "-o", f"size={MEGABYTES}m", "disk", str(disk))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextmanager
def filled(disk: Path, left: int) -> Iterator[None]:
    """The disk, with so many bytes left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - left)
    yield
    filler.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """The disk, on which nobody may write."""
    mount("-o", "remount,ro", str(disk))
    yield
    mount("-o", "remount,rw", str(disk))


def mount(*words: str) -> None:
    """`mount`, which has to work."""
    subprocess.run(["mount", *words], check=True)


def told(line: list[str]) -> dict:
    """The exit code of a command line, and what it said on standard error."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = run(line)
    words = said.getvalue().replace("\r", "\n").splitlines()
    return {"code": code, "said": [each for each in words if each.startswith("blurbench: ")]}


def main() -> None:
    """See the top of the file."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        given, disk = Path(folder, "given"), Path(folder, "disk")
        disk.mkdir()
        prepare(given)
        os.environ["TORCH_HOME"] = str(disk / "out")
        names = commands(given, disk)
        states = sys.argv[2:] or (*LEFT, READ_ONLY)
        fitting = [(n, how) for how in states for n in names if how == NEARLY or WITH not in n]
        for name, how in fitting:
            with own_disk(disk):
                if name in BEFORE:
                    shutil.copytree(given / BEFORE[name], disk / "out")
                line = commands(given, disk / "out")[name]
                with read_only(disk) if how == READ_ONLY else filled(disk, LEFT[how]):
                    first = told(line)
                found[f"{name}, {how}"] = {"bad": first, "mended": told(line)}
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
