"""At which scale a table is made, and what each training sees there: the same for all its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ScaleName = Literal["demo", "small", "paper"]
# 80 steps of 4: what a demo of minutes can spend.
DEMO_SAMPLES = 320
# 2,000 steps of 4: 10 to 60 minutes of one core a run for networks of preset `small` (deepdeblur
# takes 0.79 s of CPU a step, deblurgan with its five steps of the critic 1.3).
SMALL_SAMPLES = 8_000
SMALL_CAPTIONS = 24_000  # 480 batches of 50
# Below this, networks have not learnt to beat the blurred picture, and a table says nothing.
FLOOR = 2_000
SEEDS = 3  # of scale small


@dataclass(frozen=True)
class Scale:
    """How large a reproduction is."""

    name: ScaleName = "demo"
    seeds: int = 1
    share: float = 1.0  # of the samples that a suite states, so as to end in time

    @property
    def preset(self) -> str:
        """Of every model; empty where each has the paper's."""
        return {"demo": "tiny", "small": "small", "paper": ""}[self.name]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds: 0 alone, or 1 to as many as there are."""
        return (0,) if self.seeds == 1 else tuple(range(1, self.seeds + 1))


DEMO = Scale()


@dataclass(frozen=True)
class Samples:
    """What the restoring stages of each row that is compared see, at each scale."""

    paper: int
    words: str  # of `paper`
    small: int = SMALL_SAMPLES
    demo: int = DEMO_SAMPLES

    def at(self, scale: Scale) -> int:
        """Pairs, or captions, that a training sees; seen twice they count twice."""
        full = {"demo": self.demo, "small": self.small, "paper": self.paper}[scale.name]
        wanted = max(1, round(full * scale.share))
        return max(wanted, min(FLOOR, full)) if scale.name == "small" else wanted


def epochs(number: int, pairs: int, of: str = "pairs") -> Samples:
    """So many times each of a training set."""
    return Samples(number * pairs, f"{number} epochs of {pairs:,} {of}")


# What each table states for the recipes that it trains on: its own paper's, where that names it.
GOPRO, REALBLUR, COCO = 2_103, 3_758, 11_000  # training pairs of the papers' sets
CONCERT = 400 * 7  # 400 of the 440 pictures, under seven blurs
S3E = epochs(300, COCO)
SP = {"gopro": epochs(700, GOPRO), "realblur-j": epochs(700, REALBLUR)}
UMSN = {"umsn-faces": Samples(100_000 * 16, "100,000 steps of 16 pairs")}
CAPTIONS = Samples(
    S3E.paper,
    f"{S3E.words.replace('pairs', 'pictures')}, one caption of each",
    small=SMALL_CAPTIONS,
)
BRMR = {"concert": epochs(200, CONCERT), "gopro": epochs(200, GOPRO)}
BUDGETS: dict[str, Mapping[str, Samples]] = {
    "s3e-1": {"lesssev-blurdata": S3E, "sev-blurdata": S3E},
    "s3e-2": {"sev-blurdata": S3E},
    "s3e-3": {"lesssev-blurdata": CAPTIONS, "sev-blurdata": CAPTIONS},
    "sp-1": SP,
    "sp-2": SP,
    "sp-3": SP,
    "sp-4": SP,
    "umsn-1": UMSN,
    "umsn-2": UMSN,
    "umsn-3": UMSN,
    "umsn-4": UMSN,
    "umsn-5": UMSN,
    "umsn-6": UMSN,
    "umsn-7": UMSN,
    "umsn-text": UMSN,
    "brmr-2": BRMR,
    "brmr-3": BRMR,
    "brmr-text": BRMR,
}

# How long a method learnt by its own paper or code, where no table gives it that.
LONG = "3,000 epochs of GoPro's 2,103 pairs, by its own paper"
CAPTIONED = "30 epochs of 5 captions a picture, in the usual public code"
OWN_SCHEDULES: dict[str, str] = {
    "udeconv": "not published",
    "deblurgan": "300 epochs of GoPro's 2,103 pairs, by its own paper",
    "deepdeblur": "1,000 epochs of GoPro's 2,103 pairs in batches of 16, by its authors' code",
    "mimo-unet": LONG,
    "mimo-unet-plus": LONG,
    "mprnet": LONG,
    "mssnet": LONG,
    "nic": CAPTIONED,
    "toronto": CAPTIONED,
    "topdown": CAPTIONED,
    "vp-tree": "not published",
    "shen-face": "not published",
}
# What a table's paper says of its rivals' training, and does not run here.
NAMED_SCHEDULES: dict[tuple[str, str], str] = {
    (table, "deepdeblur"): "batch 4, rate 5e-5 with a linear decay, by the BRMR paper; here batch "
    "and rate are those of its authors' code, the rate halved three times"
    for table in ("brmr-2", "brmr-3")
}


def schedule_of(table: str, model: str) -> str:
    """How a method learnt elsewhere, where it is not what runs here; empty for no difference."""
    return NAMED_SCHEDULES.get((table, model), OWN_SCHEDULES.get(model, ""))
