"""No command needs a network, and none looks for one: not even for weights that are missing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CAPTIONS = '{"1": ["A dog on a bed.", "A dog"], "2": ["A cat sits on a car"]}'

# Every command, and its exit code. `demo` is these in turn.
COMMANDS: list[tuple[str, int]] = [
    ("list recipes", 0),
    ("list metrics", 0),
    ("list studies", 0),
    ("doctor", 0),
    ("synthesize demo --source builtin:photos --limit 6 --workers 2 --out data", 0),
    ("verify data", 0),
    ("export data --to basicsr --out exported", 0),
    ("kernels preview demo --out kernels.png", 0),
    ("kernels bank demo --out bank.npy", 2),
    ("train --model unet --preset tiny --data data --steps 2 --out run", 0),
    ("train --model s3e --preset tiny --set resnet_weights=imagenet --data data --out no", 2),
    ("runs run", 0),
    ("evaluate --data data --identity --split train --out results/identity", 0),
    ("evaluate --data data --checkpoint run --split train --out results/run", 0),
    ("evaluate --data data --identity --split train --metrics lpips --out results/lpips", 2),
    ("evaluate --data data --identity --split train --metrics niqe,musiq --out results/niqe", 2),
    ("leaderboard results/identity results/run --out board", 0),
    ("deblur data/train/blur --checkpoint run --out restored", 0),
    ("export-model run --to torch --out exported.pt2", 0),
    ("captions trees captions.json", 0),
    ("captions trees captions.json --parser stanza:en", 2),
    ("captions score answers.json captions.json", 0),
    ("reproduce umsn-2 --data-root nowhere --out tables", 2),
]


def tried(folder: Path, before: list[str]) -> tuple[list[int], str, str]:
    """The exit codes of all commands, what they said, and whom they tried to reach."""
    (folder / "captions.json").write_text(CAPTIONS)
    (folder / "answers.json").write_text('{"1": "A dog", "2": "A cat"}')
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
