"""Questions that runs decide: one command each, resumable, whose comparisons stand in the code before it is run.

Beside `benchmarks/`, which measures how fast the house is: these say what its defaults should be.
"""
