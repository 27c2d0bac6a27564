"""What `make bench` measures: one module an area, each a function that returns figures.

A new area is a module with a `measure() -> list[Figure]` and a line in `benchmarks.__main__.AREAS`.
"""
