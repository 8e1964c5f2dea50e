"""Damage to the files of a data set: while nobody works on it, and after it is finished."""

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos import Chaos

A_ROUND = 5  # pictures of the finished set that are damaged at once


def flip(path: Path, chance: random.Random) -> None:
    """One bit of a file, if there are any."""
    if not (data := bytearray(path.read_bytes())):
        return
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path: Path, chance: random.Random) -> None:
    """The end of a file is gone."""
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(max(1, len(data)))])


def empty(path: Path, _: random.Random) -> None:
    """Nothing is left but the name."""
    path.write_bytes(b"")


def gone(path: Path, _: random.Random) -> None:
    """Not even that."""
    path.unlink()


Damage = Callable[[Path, random.Random], None]
SEEN_AT_ONCE: dict[str, Damage] = {"cut": cut, "emptied": empty, "gone": gone}
ALL: dict[str, Damage] = {"bit flipped": flip, **SEEN_AT_ONCE}


def while_stopped(chaos: "Chaos") -> None:
    """Two pictures, a record or the plan of an unfinished set, if there are any yet."""
    if chaos.spent():
        return
    before = recorded(chaos)
    if len(before) < 3:
        return
    for pair in chaos.chance.sample(sorted(before), 2):
        kind = chaos.chance.choice([*SEEN_AT_ONCE])
        SEEN_AT_ONCE[kind](chaos.out / before[pair], chaos.chance)
        chaos.faults[f"picture {kind}"] += 1
    lost = {pair for pair, name in before.items() if not whole(chaos.out / name)}
    if records := [*record_files(chaos)]:
        kind = chaos.chance.choice([*ALL])
        ALL[kind](chaos.chance.choice(records), chaos.chance)
        chaos.faults[f"record {kind}"] += 1
    after = recorded(chaos)
    chaos.damaged += len(lost | (before.keys() - after.keys()))
    if chaos.chance.random() < 0.3:
        damage_plan(chaos)


def whole(path: Path) -> bool:
    """Whether a PNG has its end."""
    return path.exists() and path.read_bytes()[-8:-4] == b"IEND"


def record_files(chaos: "Chaos") -> list[Path]:
    """The done-records."""
    return sorted((chaos.out / ".blurbench" / "shards").rglob("*.jsonl"))


def recorded(chaos: "Chaos") -> dict[str, str]:
    """Pair -> its blurred picture, of all records that can be read."""
    found = {}
    for path in record_files(chaos):
        for line in path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
                name = f"{entry['split']}/{entry['row']['blur_file_name']}"
                found[f"{entry['split']}/{entry['row']['id']}"] = name
            except (ValueError, KeyError, TypeError):
                continue
    return found


def damage_plan(chaos: "Chaos") -> None:
    """A damaged plan is made again or refused: then the user has the old one back."""
    plan = chaos.out / ".blurbench" / "plan.json"
    if not plan.exists():
        return
    data = plan.read_bytes()
    kind = chaos.chance.choice([*ALL])
    ALL[kind](plan, chaos.chance)
    chaos.faults[f"plan {kind}"] += 1
    run = chaos.synthesize(chaos.out, "--workers", "1")
    try:
        run.wait(timeout=10)
    except Exception:  # it goes on: the plan was made again
        run.send_signal(signal.SIGTERM)
        run.wait()
    chaos.codes[run.returncode] += 1
    chaos.expect(run.returncode)
    if run.returncode == 2:
        plan.write_bytes(data)


def when_finished(chaos: "Chaos") -> str:
    """Damage the finished set, mend it as we are told to; gives the digest at the end."""
    for _ in range(chaos.options.rounds):
        damage_finished(chaos)
        verify(chaos, finds=True)
        make_whole(chaos)
    verify(chaos, finds=False)
    return str(json.loads((chaos.out / "dataset.json").read_bytes())["digest"])


def damage_finished(chaos: "Chaos") -> None:
    """Some pictures, of pairs of their own."""
    folder = chaos.chance.choice(("blur", "sharp"))
    pictures = sorted(path for split in SPLITS for path in chaos.out.glob(f"{split}/{folder}/*"))
    for path in chaos.chance.sample(pictures, A_ROUND):
        kind = chaos.chance.choice([*ALL])
        ALL[kind](path, chaos.chance)
        chaos.faults[f"finished picture {kind}"] += 1
        chaos.damaged += 1


SPLITS = ("train", "val", "test")


def verify(chaos: "Chaos", finds: bool) -> None:
    """Every damaged picture is named; none is when there is none."""
    run = chaos.blurbench("verify", str(chaos.out), "--workers", "2")
    code, words = run.wait(), chaos.log.read_text(errors="replace")
    named = [line.split(": ")[0] for line in words.splitlines() if ".png: " in line]
    if code != (1 if finds else 0) or (finds and len({*named}) != A_ROUND):
        chaos.strange.append(f"verify: exit {code}: {words[-2000:]}")
    for name in named:  # the mend: what is damaged goes, and is made again
        Path(name).unlink(missing_ok=True)


def make_whole(chaos: "Chaos") -> None:
    """The same command again."""
    run = chaos.synthesize(chaos.out, pause=1e-3)
    chaos.codes[run.wait()] += 1
    if run.returncode:
        chaos.strange.append(f"mending: exit {run.returncode}: {chaos.log.read_text()[-400:]}")
