"""`acmez demo`."""

from __future__ import annotations

import click


@click.command(short_help="Get a certificate from a test CA on this machine.")
def demo() -> None:
    """Get a certificate from a test CA on this machine, step by step."""
    from acmez.errors import PluginNotFoundError

    from . import demo as demonstration

    try:
        demonstration.run()
    except ModuleNotFoundError as exc:
        needed = {"acmez_testkit": "acmez-testkit", "acmez_http_standalone": "acmez-http-standalone"}
        if exc.name not in needed:
            raise
        raise PluginNotFoundError(
            f"the demo needs {needed[exc.name]!r}, which is not installed: pip install {' '.join(needed.values())}"
        ) from exc
