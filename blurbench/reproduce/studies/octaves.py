"""How far a method helps: its gain over the blurred pictures, octave by octave of blur length."""

from dataclasses import dataclass

from blurbench.reproduce.studies.effects import Effect, Finished, learnt
from blurbench.reproduce.studies.study import IDENTITY, Octave, Study


@dataclass(frozen=True)
class Reach:
    """An arm over lengths of blur."""

    arm: str
    gains: dict[Octave, Effect | None]  # over the blurred pictures; None: no picture there
    stops: Octave | None  # the first octave in which the gain's lower end reaches 0

    @property
    def told(self) -> str:
        """Where it stops, in words."""
        if self.stops is None:
            longest = max(octave[1] for octave, gain in self.gains.items() if gain)
            return f"helps up to {longest:g} px"
        low, high = self.stops
        return f"stops at {low:g} to {high:g} px"


def reach(study: Study, finished: Finished) -> list[Reach]:
    """Of each arm that has run."""
    found = []
    for arm in study.arms:
        gains = {octave: finished.effect(arm.name, IDENTITY, octave) for octave in study.octaves}
        if any(gains.values()):
            asked = {octave: gain for octave, gain in gains.items() if gain}
            stops = next((octave for octave, gain in asked.items() if not learnt(gain)), None)
            found.append(Reach(arm.name, gains, stops))
    return found
