from __future__ import annotations

import os
from pathlib import Path

from acmez_http_app import HttpAppSolver
from flask import Flask

app = Flask(__name__)
app.wsgi_app = HttpAppSolver(Path(os.environ["ANSWERS"])).wsgi(app.wsgi_app)  # type: ignore[assignment, method-assign]


@app.get("/")
def home() -> str:
    return "hello from flask"


@app.get("/.well-known/acme-challenge/of-the-app")
def own() -> str:
    return "the app's own"
