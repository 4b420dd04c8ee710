"""Django on gunicorn, several processes, HTTPS only: port 443 is all that the CA needs (tls-alpn-01).

    python -m examples.servers.django_gunicorn www.example.com
    curl --cacert certs/root.pem --resolve www.example.com:8443:127.0.0.1 https://www.example.com:8443/

With a real CA: --directory letsencrypt --host 0.0.0.0 --https-port 443

Before gunicorn has the port, the solver answers there itself. For renewals while gunicorn runs, `acmez obtain` from a
timer presents into certs/answers, and whichever worker the CA reaches looks there.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

import django  # type: ignore[import-untyped]
from acmez_tls_alpn import StoredAnswers, TlsAlpnSolver, wrap
from django.conf import settings  # type: ignore[import-untyped]
from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
from django.http import HttpRequest, JsonResponse  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from acmez.answer_store import DirectoryStore
from acmez.tls import ReloadingContext

from .obtaining import Site


def home(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"hello": "from Django"})


urlpatterns = [path("", home)]


class Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, site: Site) -> None:
        self._site = site
        self._context = ReloadingContext(site.certificates)
        wrap(self._context, StoredAnswers(DirectoryStore(site.folder / "answers")).find)
        super().__init__()

    def load_config(self) -> None:
        def ssl_context(config: object, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
            return self._context

        self.cfg.set("bind", f"{self._site.host}:{self._site.https_port}")
        self.cfg.set("workers", 2)
        self.cfg.set("threads", 4)
        # Both make gunicorn speak TLS; what it says is up to the context.
        self.cfg.set("certfile", str(self._site.certificates / "fullchain.pem"))
        self.cfg.set("keyfile", str(self._site.certificates / "privkey.pem"))
        self.cfg.set("ssl_context", ssl_context)

    def load(self) -> object:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=[self._site.name])
        django.setup()
        return get_wsgi_application()


def main() -> None:
    site = Site.from_arguments(__doc__)
    site.obtain(TlsAlpnSolver(host=site.host, port=site.https_port))
    Gunicorn(site).run()


if __name__ == "__main__":
    main()
