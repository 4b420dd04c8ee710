"""One certificate with plumbing alone, as RFC 8555 §7.1 tells it.

python examples/plumbing.py DIRECTORY_URL NAME... [--port 80] [--trust CA.pem]
"""

from __future__ import annotations

import argparse
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from acmez import acme


def serve(answers: dict[str, str], port: int) -> ThreadingHTTPServer:
    """Answer http-01 challenges (RFC 8555 §8.3)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def obtain(client: acme.Client, names: list[str], port: int) -> bytes:
    account_key = acme.SigningKey(ec.generate_private_key(ec.SECP256R1()))
    account = client.new_account(account_key, terms_of_service_agreed=True)
    order = client.new_order(account, [acme.Identifier.dns(name) for name in names])

    answers: dict[str, str] = {}
    server = serve(answers, port)
    try:
        for url in order.authorizations:
            authorization = client.authorization(account, url)
            if authorization.status == acme.AuthorizationStatus.VALID:
                continue
            challenge = next(c for c in authorization.challenges if c.type == acme.ChallengeType.HTTP_01)
            answers[f"/.well-known/acme-challenge/{challenge.token}"] = challenge.key_authorization
            client.respond(account, challenge)
        order = client.poll_order(account, order, until={"ready"})
    finally:
        server.shutdown()
        server.server_close()

    certificate_key = ec.generate_private_key(ec.SECP256R1())
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.add_extension(san, critical=False).sign(certificate_key, SHA256())
    order = client.finalize(account, order, request)
    order = client.poll_order(account, order, until={"valid"})
    return client.certificate(account, order.certificate or "").pem


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--trust", type=Path)
    arguments = parser.parse_args()
    with acme.Transport(trust=arguments.trust) as transport:
        print(obtain(acme.Client(arguments.directory, transport=transport), arguments.names, arguments.port).decode())
