"""What a profile will cost before it runs: tokens, time, GPU-hours and disk, stage by stage.

A few trees stand for all of them: rehearsed by the search itself with made-up writers (`rehearsal`, `priors`), or
grown by the profile's own models (`pilot`). Real curation turns them into training sets (`yields`); from there it is
arithmetic (`work`) over the rates of a machine (`hardware`, `costs`). Nothing here is fitted to an outcome.
"""

from marco_dag.estimate.costs import Estimate, StageCost
from marco_dag.estimate.estimating import Basis, estimate, usual_hardware
from marco_dag.estimate.hardware import HARDWARE, Hardware
from marco_dag.estimate.pilot import Pilot, run_pilot

__all__ = [
    "HARDWARE",
    "Basis",
    "Estimate",
    "Hardware",
    "Pilot",
    "StageCost",
    "estimate",
    "run_pilot",
    "usual_hardware",
]
