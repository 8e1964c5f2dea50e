"""study.html: the answer first, then how it came about; it needs no network."""

from dataclasses import dataclass
from statistics import fmean

from blurbench import __version__
from blurbench.ranking.page.jinja import joined, templates
from blurbench.ranking.page.render import compact, p_value
from blurbench.reproduce.studies.drawing import PHONE, forest, octave_chart
from blurbench.reproduce.studies.effects import Answer, Effect, Finished, answers, learnt
from blurbench.reproduce.studies.octaves import reach
from blurbench.reproduce.studies.results import results
from blurbench.reproduce.studies.study import IDENTITY, Arm, Study
from blurbench.reproduce.studies.table import Kept, finished
from blurbench.reproduce.studies.wording import printed, reason, told

STYLES = ("leaderboard.css", "charts.css", "reproduce.css", "study.css")


@dataclass(frozen=True)
class ArmLine:
    """An arm beside the blurred pictures, and what it took."""

    arm: Arm
    psnr: float | None  # mean over pictures and seeds, dB
    ssim: float | None
    gain: Effect | None
    learnt: bool
    seeds: list[int]
    wanted: int
    minutes: float | None  # mean CPU time of a training
    steps: int | None
    samples: int | None
    beside: dict[str, int]
    parameters: int | None
    precision: str
    machines: str


def study_page(study: Study, kept: Kept, missing: list[str], seeds: int, stand_in: bool) -> str:
    """The page of the records that there are; `missing`: names of runs."""
    done = finished(study, kept)
    found, reaches = answers(study, done), reach(study, done)
    environment = templates()
    environment.filters.update(compact=compact, p_value=p_value, told=told_by(study))
    environment.filters.update(reason=reason, printed=printed)
    style, style_hash = joined(environment, STYLES)
    first = next((run.run for runs in kept.values() for run in runs.values()), None)
    return environment.get_template("study.html").render(
        study=study,
        primary=found[0],
        answers=found,
        forests={"wide": forest(found), "narrow": forest(found, PHONE)},
        arms=[arm_line(arm, kept, done, seeds) for arm in study.arms],
        budgets=[arm_line(arm, kept, done, seeds) for arm in (*study.arms, *study.measured)],
        measures=[(measure, results(measure, kept)) for measure in study.measures],
        balances=balances(kept),
        identity=identity(done),
        reaches=reaches,
        chart=octave_chart(reaches) if reaches else None,
        missing=missing,
        total=len(list(study.runs(seeds))),
        seeds=seeds,
        stand_in=stand_in,
        run=first,
        style=style,
        style_hash=style_hash,
        version=__version__,
    )


def told_by(study: Study) -> object:
    """`told` as a filter of the template."""

    def tell(answer: Answer) -> str:
        return told(answer, study)

    return tell


def balances(kept: Kept) -> dict[str, dict[str, float]]:
    """C_i L_i over lambda by arm and class, means over seeds, of the arms that logged it."""
    found = {}
    for arm, runs in kept.items():
        seeds = [one.run.figures for one in runs.values() if one.run.figures]
        if seeds:
            found[arm] = {name: fmean(seed[name] for seed in seeds) for name in seeds[0]}
    return found


def identity(done: Finished) -> float | None:
    """Mean PSNR of the blurred pictures, dB."""
    return fmean(done.first.identity.values()) if done.first else None


def arm_line(arm: Arm, kept: Kept, done: Finished, seeds: int) -> ArmLine:
    """Means over the seeds that there are."""
    records = kept.get(arm.name, {})
    runs, scores = [one.run for one in records.values()], [one.scores for one in records.values()]
    gain = done.effect(arm.name, IDENTITY)
    first = runs[0] if runs else None
    machines = dict.fromkeys(f"{one.environment.get('processor')}" for one in runs)
    return ArmLine(
        arm,
        fmean(v for each in scores for v in each.psnr.values()) if gain else None,
        fmean(v for each in scores for v in each.ssim.values()) if gain else None,
        gain,
        learnt(gain),
        sorted(seed or 1 for seed in records),
        len(arm.seeds(seeds)),
        fmean(one.minutes for one in runs) if runs else None,
        first.steps if first else None,
        first.samples if first else None,
        first.beside if first else {},
        first.parameters if first else None,
        str(first.model.get("precision", "")) if first else "",
        ", ".join(machines),
    )
