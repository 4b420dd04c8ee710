"""Which distribution has which plugin, for the message that says what to install.

A test keeps this equal to the entry points of `plugins/*/pyproject.toml`. Only names from here are ever
suggested: a name made up from what somebody typed would send them to whoever registered it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Plugin name -> distribution.
KNOWN_PLUGINS: Mapping[str, str] = MappingProxyType(
    {
        "dns-acmedns": "acmez-dns-acmedns",
        "dns-acmesh": "acmez-dns-acmesh",
        "dns-cloudflare": "acmez-dns-cloudflare",
        "dns-exec": "acmez-dns-exec",
        "dns-lexicon": "acmez-dns-lexicon",
        "dns-powerdns": "acmez-dns-powerdns",
        "dns-rfc2136": "acmez-dns-rfc2136",
        "dns-route53": "acmez-dns-route53",
        "http-app": "acmez-http-app",
        "http-redis": "acmez-http-redis",
        "http-standalone": "acmez-http-standalone",
        "http-webroot": "acmez-http-webroot",
        "key-aws-kms": "acmez-key-aws-kms",
        "key-pkcs11": "acmez-key-pkcs11",
        "otel": "acmez-otel",
        "tls-alpn": "acmez-tls-alpn",
    }
)
