"""The standard library's http.server, HTTPS only: it answers the CA on its own port (tls-alpn-01).

    python -m examples.servers.plain_http_server www.example.com
    curl --cacert certs/root.pem --resolve www.example.com:8443:127.0.0.1 https://www.example.com:8443/

With a real CA: --directory letsencrypt --host 0.0.0.0 --https-port 443
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from acmez_tls_alpn import TlsAlpnSolver

from acmez.tls import ReloadingContext

from .obtaining import Site


class Home(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"hello": "from http.server"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class TlsServer(ThreadingHTTPServer):
    """Makes each handshake in the connection's own thread, with the context of the moment."""

    context: ssl.SSLContext

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


def main() -> None:
    site = Site.from_arguments(__doc__)
    solver = TlsAlpnSolver()
    with TlsServer((site.host, site.https_port), Home) as server:
        server.context = solver.wrap(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # no certificate yet, but answers
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            site.obtain(solver)
            server.context = solver.wrap(ReloadingContext(site.certificates))
            serving.join()
        finally:
            server.shutdown()


if __name__ == "__main__":
    main()
