# mypy: ignore-errors
# Runs in an environment of its own, where certbot's library is.
"""Obtains certificates with `acme`, certbot's library, the way its example and certbot do."""

from __future__ import annotations

import argparse
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import josepy
from acme import challenges, client, crypto_util, messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from benchmarks.peers.measuring import Obtain, domains, measure, parser


class Answers(ThreadingHTTPServer):
    """Serves http-01 in this process, from before the clock starts."""

    request_queue_size = 1024
    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.bodies: dict[str, str] = {}
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        body = self.server.bodies.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Obtaining:
    """Obtains certificates; each thread has a client of its own, for one is not made for many."""

    def __init__(self, options: argparse.Namespace, key: josepy.JWK, answers: Answers) -> None:
        self._options = options
        self._key = key
        self._answers = answers
        self._own = threading.local()

    def __call__(self, order: int) -> str:
        acme = self._client()
        pending = acme.new_order(self._request(order))
        answered = [self._perform(authorization.body.challenges) for authorization in pending.authorizations]
        # Like certbot's DNS plugins: present all, then one pause for all.
        time.sleep(self._options.propagation)  # noqa: TID251 - nothing to cancel
        for challenge, response in answered:
            acme.answer_challenge(challenge, response)
        finished = acme.poll_and_finalize(pending)
        for challenge, _ in answered:
            del self._answers.bodies[challenge.chall.path]
        return finished.fullchain_pem

    def _client(self) -> client.ClientV2:
        if not hasattr(self._own, "client"):
            registration = messages.RegistrationResource(body=messages.Registration(), uri=self._options.account_url)
            net = client.ClientNetwork(
                self._key, account=registration, alg=josepy.ES256, verify_ssl=str(self._options.trust)
            )
            directory = client.ClientV2.get_directory(self._options.directory, net)
            self._own.client = client.ClientV2(directory, net)
        return self._own.client

    def _request(self, order: int) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return crypto_util.make_csr(pem, domains(self._options, order))

    def _perform(self, offered: list[messages.ChallengeBody]) -> tuple[messages.ChallengeBody, object]:
        challenge = next(item for item in offered if isinstance(item.chall, challenges.HTTP01))
        response, validation = challenge.response_and_validation(self._key)
        self._answers.bodies[challenge.chall.path] = validation
        return challenge, response


def main() -> None:
    options = parser("Obtain certificates with certbot's library.").parse_args()
    key = josepy.JWKEC(key=load_pem_private_key(options.account_key.read_bytes(), None))
    answers = Answers(options.http_port)

    def start() -> Obtain:
        return Obtaining(options, key, answers)

    measure(options, start)


if __name__ == "__main__":
    main()
