"""How fast klanten is, measured beside what it is built on: `python -m benchmarks --help`.

Absolute figures depend on the machine, and on what else it does at the moment. So each figure that
counts is a ratio of two variants that took turns in one run, and the median of several rounds.
"""
