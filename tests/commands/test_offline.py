"""No command needs a network, and none looks for one: not even for weights that are missing."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from reader_examples import toml
from small_results import write_data_set
from tiny_data import FLOW, write_photos

from blurbench.cli import cli
from blurbench.weights.shipped import SHIPPED, lies

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCENE = lies(SHIPPED["scene"].file)
CAPTIONS = '{"1": ["A dog on a bed.", "A dog"], "2": ["A cat sits on a car"]}'

TREE = "side=32 words=40 batch_size=2 language_width=16 node_width=4 entities=20 relations=10"
SETTINGS = " ".join(f"--set {each}" for each in TREE.split())
# Every command, and its exit code, on the files of `prepare` and of the lines before.
COMMANDS: list[tuple[str, int]] = [
    ("list recipes", 0),
    ("list metrics", 0),
    ("list studies", 0),
    ("doctor", 0),
    ("synthesize demo --source builtin:photos --limit 6 --workers 2 --out data", 0),
    ("synthesize captioned.toml --source photos --out captioned", 0),
    ("verify data", 0),
    ("export data --to basicsr --out exported", 0),
    ("export data --to webdataset --out tars", 0),
    ("export data --to lmdb --out lmdb", 0),
    ("kernels preview demo --out kernels.png", 0),
    ("kernels bank umsn-faces --count 2 --out bank.npy", 0),
    ("kernels estimate captioned/test --out estimates --size 9 --patch 32 --limit 1", 0),
    ("train --model unet --preset tiny --data data --steps 2 --out run", 0),
    ("train --model s3e --preset tiny --set resnet_weights=imagenet --data data --out no", 2),
    (f"train --model s3e-imc --preset tiny --steps 2 --data captioned --out tree {SETTINGS}", 0),
    ("runs run --page runs.html", 0),
    ("evaluate --data crops --identity --save-restored --out results/identity", 0),
    ("evaluate --data crops --checkpoint run --save-restored --workers 2 --out results/run", 0),
    ("evaluate --data crops --add blur-effect --out results/identity", 0),
    ("evaluate --data crops --identity --metrics lpips --out results/lpips", 2),
    ("evaluate --data crops --identity --metrics niqe,musiq --out results/niqe", 2),
    ("leaderboard results/identity results/run --out board --latex board.tex", 0),
    ("leaderboard results/identity results/run --out board --figure crop-0", 0),
    ("matrix run --data crops --out matrix", 0),
    ("board add results/identity --to rows", 0),
    ("board verify rows --data crops", 0),
    ("deblur data/train/blur --checkpoint run --explain seen --out restored", 0),
    ("deblur photos/000.png --out by-scene", 0 if SCENE.is_file() else 2),
    ("export-model run --to torch --out exported.pt2", 0),
    ("captions trees captions.json --vocabulary words.json", 0),
    ("captions trees captions.json --parser stanza:en", 2),
    ("captions score answers.json captions.json", 0),
    ("captions generate photos --checkpoint tree --beams 1 --out sentences", 0),
    ("captions nodes --data captioned --checkpoint tree", 0),
    ("reproduce umsn-2 --data-root nowhere --out tables", 2),
    # In one second nothing is measured.
    ("reproduce umsn-4 --minutes 0.02 --out table", 1),
    ("reproduce study-sp --minutes 0.02 --out study", 1),
    ("reproduce board-severe-scenes --minutes 0.02 --out scenes", 0),
    ("weights list", 0),
    ("weights where", 0),
    ("weights check train --model umsn", 1),
    ("weights check deblur --checkpoint run", 0),
    ("weights check reproduce umsn-5 --scale demo", 0),
    ("weights check evaluate --metrics psnr,lpips", 1),
]
LEFT_OUT = {
    "demo": "runs others of these in turn, for minutes",
    "weights fetch": "the one that asks a network",
}


def below(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[str]:
    """The commands that are no group, in words."""
    if not isinstance(command, click.Group):
        yield " ".join(words)
        return
    for name, each in command.commands.items():
        yield from below(each, (*words, name))


def test_every_command_has_a_line_or_a_reason() -> None:
    commands = list(below(cli))
    tried = {name for name in commands for line, _ in COMMANDS if f"{line} ".startswith(f"{name} ")}
    assert sorted([*tried, *LEFT_OUT]) == sorted(commands)


def prepare(folder: Path) -> None:
    """What the commands read beside what they make."""
    write_data_set(folder / "crops", 3)
    (folder / "captions.json").write_text(CAPTIONS)
    (folder / "answers.json").write_text('{"1": "A dog", "2": "A cat"}')
    photos = write_photos(folder / "photos", 12)
    lines = [f'{seed:03d}.png,"A man riding a wave."' for seed in range(12) for _ in range(2)]
    (photos / "captions.csv").write_text("\n".join(["image,caption", *lines]) + "\n")
    recipe = FLOW | {"replicas": {"train": 1}, "captions": {"count": 2}}
    (folder / "captioned.toml").write_bytes(toml(recipe))


def tried(folder: Path, before: list[str]) -> tuple[list[int], str, str]:
    """The exit codes of all commands, what they said, and whom they tried to reach."""
    prepare(folder)
    # Of every Python that is started from here, workers too.
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({str(HERE)!r})\n"
        "import offline_commands; offline_commands.watch()\n"
    )
    paths = os.pathsep.join(map(str, (folder / "site", ROOT, ROOT / "kernels")))
    environment = os.environ | {
        "PYTHONPATH": paths,
        "WATCHED": str(folder / "watched"),
        # Whatever weights lie on this machine are not for this.
        "TORCH_HOME": str(folder / "cache"),
        "HF_HOME": str(folder / "cache"),
    }
    if before:
        environment["OWN_NETWORK"] = "1"
    words = json.dumps([line.split() for line, _ in COMMANDS])
    command = [*before, sys.executable, str(HERE / "offline_commands.py"), words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    last = done.stderr.rpartition("codes ")
    assert last[1], done.stderr
    watched = folder / "watched"
    return json.loads(last[2]), done.stderr, watched.read_text() if watched.exists() else ""


def namespace() -> list[str]:
    """What starts a command in a network namespace of its own; skips where nobody may."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and not subprocess.run([*words, "true"], check=False).returncode:
            return words
    pytest.skip("no network namespaces here: needs unshare, and root or user namespaces")


@pytest.mark.slow
def test_every_command_works_without_a_network_and_asks_nobody(tmp_path):
    codes, told, watched = tried(tmp_path, namespace())
    wanted = [code for _, code in COMMANDS]
    assert codes == wanted, [
        (line, code) for (line, right), code in zip(COMMANDS, codes, strict=True) if code != right
    ] + [told]
    assert watched == ""
    assert told.count("is missing, and nothing is downloaded unasked") == 2
    assert "Traceback" not in told


def test_a_try_is_seen(tmp_path):
    """The watch itself: a name that is looked up is noted."""
    script = (
        "import offline_commands, socket\n"
        "offline_commands.watch()\n"
        "try: socket.create_connection(('nobody.invalid', 9), timeout=1)\n"
        "except OSError: pass\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(HERE), "WATCHED": str(tmp_path / "watched")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert (tmp_path / "watched").read_text().startswith("socket.getaddrinfo nobody.invalid by")
