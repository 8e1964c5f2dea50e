"""The sdist, and the wheel that it makes, as a stranger has them: README's commands, far from here.

    python tests/packaging/stranger.py [--fetch]

--fetch: pip fetches what the wheel asks for (gigabytes), in place of lending it from here.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from empty_environment import make_empty
from skimage import data, io

ROOT = Path(__file__).resolve().parents[2]
MOST_MIB = 40  # 20 of them weights
# After which it has learnt nothing, but run through everything.
STEPS = " --steps 2"


def main() -> None:
    """All of it; the exit code is that of what failed first."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stranger-") as place:
        folder = Path(place)
        wheel = build(folder / "dist")
        programs = make_empty(folder / "empty", wheel, lend="--fetch" not in sys.argv)
        photographs(folder / "PHOTOS")
        for line in readme_commands():
            run(line, folder, programs)
    print(f"a stranger's environment: all done in {time.monotonic() - began:.0f} s")


def build(folder: Path) -> Path:
    """Make the sdist, and from it the wheel; SystemExit where it has grown too large to send."""
    command = [sys.executable, "-m", "build", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    for archive in (sdist, wheel):
        size = archive.stat().st_size / 2**20
        print(f"{archive.name}: {size:.1f} MiB", flush=True)
        if size > MOST_MIB:
            sys.exit(f"{archive.name} is larger than {MOST_MIB} MiB: see [tool.hatch.build]")
    return wheel


def photographs(folder: Path) -> None:
    """Six photographs that scikit-image carries, in the splits."""
    for split in ("train", "val", "test"):
        (folder / split).mkdir(parents=True)
        for name in ("astronaut", "coffee"):
            image = getattr(data, name)()
            part = image[:160, :160] if split == "train" else image[160:320, 160:320]
            io.imsave(folder / split / f"{name}-{split}.png", part)


def readme_commands() -> list[str]:
    """What README shows below "On your own pictures", in its block and in its text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = text.split("## On your own pictures")[1].split("\n## ")[0]
    block = re.findall(r"^blurbench .+$", told, re.MULTILINE)
    spoken = re.findall(r"`(blurbench (?:deblur|evaluate|doctor)[^`]+)`", " ".join(told.split()))
    assert len(block) >= 5, "README lost its commands"
    return ["blurbench --version", "blurbench list recipes", *block, *spoken]


def run(line: str, folder: Path, programs: Path) -> None:
    """One command, away from the checkout, told with its seconds; SystemExit where it fails."""
    line += STEPS * line.startswith("blurbench train")
    line = line.replace("PICTURES", "PHOTOS/test")
    line = line.replace("THEIR_FOLDER", "data/test/blur")
    began = time.monotonic()
    # Nothing of this process's surroundings may help: no PYTHONPATH, no program of this .venv.
    kept = {name: os.environ[name] for name in ("HOME", "OMP_NUM_THREADS") if name in os.environ}
    environment = {**kept, "PATH": f"{programs}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True
    )
    print(f"{time.monotonic() - began:5.1f} s  {line}", flush=True)
    if done.returncode:
        sys.exit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
