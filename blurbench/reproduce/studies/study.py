"""What a study states before its first run; a file beside this one states each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "study-"  # of every study's name
IDENTITY = "identity"  # the blurred picture as it is: beside every arm
SMALLEST = 0.2  # dB; effect of interest, of every contrast
SEEDS = 3
PREPARED = 1  # seed of a run that others begin with
Octave = tuple[float, float]  # mean lengths of blur, px: from the first to below the second
Changes = Mapping[str, Any]  # fields that differ: of a recipe, or of a preset


@dataclass(frozen=True)
class BlurredData:
    """The pictures that a study blurs, the same pairs for all of its arms."""

    folder: str  # below --data-root
    holds: str  # what lies there, in words
    recipe: str  # a shipped one
    stand_in: str  # built-in source, without a --data-root
    counts: tuple[int, int]  # source pictures to train on and to test, that its hours are for
    changes: Changes = field(default_factory=dict)  # fields of the recipe


@dataclass(frozen=True)
class Arm:
    """A model as it is trained, or as its public weights are."""

    name: str
    what: str  # in words
    model: str
    minutes: float  # of one core, training and scoring: measured beforehand
    preset: str = "tiny"
    settings: Changes = field(default_factory=dict)  # fields of the preset
    steps: int = 0  # of all stages together; 0: not trained
    begins_with: str = ""  # arm whose last weights it begins with
    weights: str = ""  # file or folder below --data-root, of an arm that is not trained
    # Settings that are files below --data-root: field -> path.
    files: Mapping[str, str] = field(default_factory=dict)
    once: bool = False  # one run for all seeds

    def seeds(self, count: int) -> tuple[int, ...]:
        """Those that are run."""
        return (PREPARED,) if self.once or self.weights else tuple(range(1, count + 1))


@dataclass(frozen=True)
class PrintedEffect:
    """A difference that the paper prints."""

    value: float  # dB
    where: str


@dataclass(frozen=True)
class Contrast:
    """One arm less another, picture by picture."""

    name: str
    arm: str
    over: str  # another arm, or IDENTITY
    claim: str  # what the paper says of it, in words
    printed: tuple[PrintedEffect, ...] = ()
    another: str = ""  # what the paper prints of another contrast than this
    octave: Octave | None = None  # pictures that it is about; None: all
    smallest: float = SMALLEST  # dB

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that must be there."""
        return (self.arm,) if self.over == IDENTITY else (self.arm, self.over)


@dataclass(frozen=True)
class Measure:
    """Another number of each test picture than PSNR, of arms that are there for it alone."""

    name: str  # of what computes it (`measures.py`), and of a column of scores.csv
    title: str
    what: str  # in words
    arms: tuple[Arm, ...]  # the first is what the others are compared with
    beside: tuple[tuple[str, float], ...]  # what it is to be read beside
    data: BlurredData | None = None  # None: the study's own test pictures


@dataclass(frozen=True)
class Study:
    """A question, and all that decides how it is answered."""

    name: str
    title: str
    question: str
    paper: str
    data: BlurredData
    arms: tuple[Arm, ...]
    primary: Contrast
    secondary: tuple[Contrast, ...]
    hours: float  # of one core, for SEEDS seeds: an upper bound
    budget: str  # what is equal between arms, in words
    differs: tuple[str, ...]  # from the paper
    octaves: tuple[Octave, ...] = ()  # lengths of blur that it is answered for one by one
    measures: tuple[Measure, ...] = ()

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The primary one first."""
        return (self.primary, *self.secondary)

    @property
    def measured(self) -> tuple[Arm, ...]:
        """The arms of all measures."""
        return tuple(arm for each in self.measures for arm in each.arms)

    def arm(self, name: str) -> Arm:
        """The arm of a name, also of a measure."""
        return next(arm for arm in (*self.arms, *self.measured) if arm.name == name)

    def measure(self, arm: Arm) -> Measure | None:
        """What an arm is there for; None: for PSNR."""
        return next((each for each in self.measures if arm in each.arms), None)

    def runs(self, seeds: int) -> Iterator[tuple[Arm, int]]:
        """Every run, in the order of work: the arms of the primary contrast seed by seed, then
        the other arms, then those of the measures.
        """
        first = [self.arm(name) for name in self.primary.arms]
        rest = [arm for arm in self.arms if arm not in first]
        for group in (first, rest, self.measured):
            for seed in range(1, seeds + 1):
                for arm in group:
                    if seed in arm.seeds(seeds):
                        yield arm, seed

    def minutes(self, seeds: int) -> float:
        """Of one core, for all runs."""
        return sum(arm.minutes for arm, _ in self.runs(seeds))
