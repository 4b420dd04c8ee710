"""The timeline of issuances: collected by an observer, written as one HTML page or for Perfetto.

    trace = Trace()
    client.watch(trace)
    with trace.writing("timeline.html"):  # also when the issuance fails; "timeline.json" is for ui.perfetto.dev
        client.obtain(["example.com", "www.example.com"])

A `Trace` is also what `acmez.Client(on_event=...)` and `PluginManager.register` take. It keeps every event in memory
until it is thrown away, about a kilobyte for each request. Neither form holds a key, a token, a nonce, or the body of
any request; both hold names, URLs and what the CA said.
"""

from .building import spans
from .spans import Kind, Span
from .summary import Summary, summary
from .trace import Trace

__all__ = ["Kind", "Span", "Summary", "Trace", "spans", "summary"]
