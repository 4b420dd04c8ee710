"""`python -m acmez`: the same as `acmez`."""

from __future__ import annotations

from acmez.cli import main

main()
