"""The paper's tables on a profile's own models: every variant over several seeds, and what the differences amount to.

`variants` says what is tried and `comparisons` what is compared, both before anything is run; `runs` makes one seed's
pieces, `workers` those of several seeds side by side; `gathering` reads what has been made so far, `findings` compares,
and `page` and `figures` tell it.
"""
