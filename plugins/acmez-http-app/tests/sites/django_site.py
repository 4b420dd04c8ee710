from __future__ import annotations

import os
from pathlib import Path

import django  # type: ignore[import-untyped]
from acmez_http_app import HttpAppSolver
from django.conf import settings  # type: ignore[import-untyped]
from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]
from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
)
django.setup()


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello from django")


def own(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the app's own")


urlpatterns = [path("", home), path(".well-known/acme-challenge/of-the-app", own)]
solver = HttpAppSolver(Path(os.environ["ANSWERS"]))
wsgi = solver.wsgi(get_wsgi_application())
asgi = solver.asgi(get_asgi_application())
