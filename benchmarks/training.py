"""Training on packed trees beside TRL's padded batches: the same losses of the same examples, in less time and memory.

    speedup = seconds of TRL's trainer / seconds of ours, one pass over the same examples, as many of them a step
    sharing = tokens of all paths / nodes of their trees' tries

Either is called as its users call it: TRL's draws a step's examples at random and pads them, ours keeps trees together.
`over_padded` compares with our own padded batches instead, whose examples are of like length.
"""

from benchmarks.figure import Figure

_TREES_PER_TASK = 60
_REPETITIONS = 5


def measure() -> list[Figure]:
    """SFT over all chains of 240 trees, DPO over all their pairs, the profile's DPO, memory; five times each."""
    # Torch and TRL take ten seconds to import, which who measures something else need not wait for.
    from benchmarks.training_load import DpoPass, SftPass, harvest
    from benchmarks.training_memory import measure_memory
    from benchmarks.training_speed import measure_pass, measure_stage

    found = harvest(_TREES_PER_TASK)
    return [
        *measure_pass("sft", SftPass(found.student, found.chains), _REPETITIONS),
        *measure_pass("dpo", DpoPass(found.student, found.pairs), _REPETITIONS),
        measure_stage("train.dpo_stage_speedup", found, _REPETITIONS),
        measure_memory("train.peak_memory_ratio", "sft", found.student, found.chains, _REPETITIONS),
        measure_memory("train.dpo_peak_memory_ratio", "dpo", found.student, found.pairs, _REPETITIONS),
    ]
