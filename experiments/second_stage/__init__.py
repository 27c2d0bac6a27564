"""Whether a preference stage earns its place beside SFT on the shortest chains, at equal training tokens.

    python -m experiments.second_stage --seeds 5 --page docs/preference-stage.md

`variants` says what is tried and compared, `runs` makes it piece by piece, `workers` in several processes, `summary`
and `table` say what came out. docs/preference-stage.md is its page.
"""
