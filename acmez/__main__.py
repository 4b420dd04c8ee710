"""`python -m acmez`: the same as `acmez`."""

from __future__ import annotations

import sys

from acmez.cli import main

sys.exit(main())
