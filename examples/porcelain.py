"""One certificate with the porcelain.

    python examples/porcelain.py DIRECTORY WEBROOT NAME... [--trust CA.pem]

DIRECTORY is a URL or a short name such as "letsencrypt-staging"; WEBROOT is what your web server shows on
port 80 of every NAME. The account key is kept in account.pem, the certificate in certs/.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from acmez_http_webroot import WebrootSolver

import acmez


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("webroot", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--trust", type=Path)
    arguments = parser.parse_args()

    client = acmez.Client(
        arguments.directory,
        solvers=[WebrootSolver(path=arguments.webroot)],
        account_key=acmez.FileKey("account.pem"),
        trust=arguments.trust,
    )
    with client:
        client.register(contact=["mailto:admin@example.com"], terms_of_service_agreed=True)
        certificate = client.obtain(arguments.names)
    print(f"written to {certificate.write(Path('certs') / arguments.names[0])}")


if __name__ == "__main__":
    main()
