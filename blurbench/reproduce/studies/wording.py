"""What a study came to, in sentences."""

from blurbench.reproduce.studies.effects import Answer, Effect
from blurbench.reproduce.studies.study import IDENTITY, SEEDS, Contrast, Study
from blurbench.words import counted

NAMES = {IDENTITY: "the blurred pictures"}


def signed(value: float) -> str:
    """`+0.12`, with a minus sign of its width."""
    return f"{value:+.2f}".replace("-", "−")


def named(arm: str) -> str:
    """An arm, or what stands for none."""
    return NAMES.get(arm, arm)


def told(answer: Answer, study: Study) -> str:
    """One or two sentences: the numbers, and the verdict with its reason."""
    contrast, found = answer.contrast, answer.effect
    what = f"{contrast.arm} less {named(contrast.over)}{within(contrast)}"
    if found is None:
        return f"Not answered yet: {what} has not run for a seed in common."
    planned = len(study.arm(contrast.arm).seeds(SEEDS))
    missing = planned - len(found.seeds)
    provisional = f" Provisional: {counted(missing, 'seed')} to come." if missing > 0 else ""
    return f"{what}: {numbers(found, planned)}. {reason(answer)}{provisional}"


def within(contrast: Contrast) -> str:
    """Which pictures a contrast is about."""
    if contrast.octave is None:
        return ""
    return f" at {contrast.octave[0]:g} to {contrast.octave[1]:g} px of blur"


def numbers(found: Effect, seeds: int = SEEDS) -> str:
    """The effect, its interval, and each seed's."""
    mean = found.estimate
    ends = "no interval" if mean.low is None else f"{signed(mean.low)} to {signed(mean.high or 0)}"
    each = ", ".join(signed(value) for value in found.seeds.values())
    short = f" ({len(found.seeds)} of {seeds})" if len(found.seeds) < seeds else ""
    many = "seed" if len(found.seeds) == 1 else "seeds"
    pictures = counted(found.pictures, "picture")
    return f"{signed(mean.mean)} dB ({ends}) over {pictures}; {many}{short} {each}"


def reason(answer: Answer) -> str:
    """The verdict, and what it follows from."""
    found, smallest = answer.effect, signed(answer.contrast.smallest)
    if answer.verdict == "has not learnt":
        arms = " and ".join(answer.unlearnt)
        have = "have" if len(answer.unlearnt) > 1 else "has"
        return f"{arms} {have} not learnt: no better than the blurred pictures."
    if answer.verdict == "holds":
        return "The claim holds here: every seed has its sign, and the interval excludes 0."
    if answer.verdict == "reversed":
        return "The claim is reversed here: every seed and the whole interval lie below 0."
    if answer.verdict == "no effect worth naming":
        return f"No effect worth naming: the interval does not reach {smallest} dB."
    if found and found.estimate.low is None:
        return "Undecided: too few pictures for an interval."
    if found and found.estimate.differs:
        return "Undecided: the interval excludes 0, but the seeds disagree."
    return f"Undecided: the interval holds both 0 and {smallest} dB."


def printed(contrast: Contrast) -> str:
    """What the paper prints, in a sentence."""
    if not contrast.printed:
        beside = f"; another contrast: {contrast.another}" if contrast.another else ""
        return (
            f"No such contrast is printed{beside}. Smallest effect of interest, set"
            f" beforehand: {signed(contrast.smallest)} dB."
        )
    each = ", ".join(f"{signed(one.value)} dB ({one.where})" for one in contrast.printed)
    return f"The paper prints {each}."
