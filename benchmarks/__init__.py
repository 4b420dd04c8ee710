"""Measures acmez beside other ACME clients against a real CA on this machine: `python -m benchmarks --help`."""
