"""Get TLS certificates from any ACME server (RFC 8555)."""
