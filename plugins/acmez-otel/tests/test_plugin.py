"""The plugin is switched on by its name, and the README says what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import acmez_otel
from acmez_testkit.contracts import check_plugin

from acmez import PluginManager
from tests.solvers import Lab, WebSolver

from .conftest import Telemetry

README = (Path(__file__).parents[1] / "README.md").read_text()
PROGRAM = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from acmez import PluginManager, Client
from acmez.cli import main
from tests.solvers import WebSolver, laboratory

exporter = InMemorySpanExporter()
plugins = PluginManager().load("otel")
provider = TracerProvider()  # set after the plugin was loaded, as applications may
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
with laboratory() as lab:
    lab.client(WebSolver(web=lab.web), plugins=plugins).obtain(["www.example.org"])
print(*sorted({span.name for span in exporter.get_finished_spans()}), sep=",")
"""


def test_its_hooks_are_right():
    check_plugin(acmez_otel)


def test_it_watches_once_it_is_named_and_never_before():
    manager = PluginManager()
    assert not manager.hooks_active("acmez_event")
    assert manager.load("otel").hooks_active("acmez_event")
    program = "import acmez, sys; acmez.PluginManager().load('file'); print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_by_name_it_takes_the_providers_of_the_process():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert {"issuance", "order", "authorization", "present", "validate", "issue"} <= set(done.stdout.strip().split(","))


def test_without_an_sdk_nothing_happens(lab: Lab):
    client = lab.client(WebSolver(web=lab.web))
    acmez_otel.instrument(client)
    assert client.obtain(["www.example.org"]).order_url


def test_the_readmes_python_runs():
    (python,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    block = python.replace("example.com", "www.example.org")
    program = f"""
from tests.solvers import WebSolver, laboratory
with laboratory() as lab:
    exec({block!r}, {{"client": lab.client(WebSolver(web=lab.web))}})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert '"name": "issuance"' in done.stdout
    assert '"name": "acmez.certificates"' in done.stdout
    assert done.stderr == ""


def test_the_readme_lists_every_span_and_metric(lab: Lab, telemetry: Telemetry):
    client = lab.client(WebSolver(web=lab.web))
    acmez_otel.instrument(client, **telemetry.providers)
    client.obtain(["www.example.org"])
    listed = set(re.findall(r"^\| `([\w.]+)` \|", README, re.MULTILINE))
    assert {span.name for span in telemetry.spans if " " not in span.name} | {"wait"} <= listed
    source = (Path(acmez_otel.__file__).parent / "measuring.py").read_text()
    metrics = set(re.findall(r'"((?:acmez|http)\.[\w.]+)",\s+unit=', source))
    assert len(metrics) == 7
    assert metrics == {name for name in listed if "." in name}
