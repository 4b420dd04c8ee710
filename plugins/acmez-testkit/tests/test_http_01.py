from __future__ import annotations

from cryptography import x509

from .raw import csr


def test_a_certificate_from_the_first_request_to_the_alternate_chain(client, http01):
    raw = client(http_port=http01.port)
    url, order = raw.order("a.example.com", "b.example.com")
    assert order["status"] == "pending"
    for authorization in raw.authorizations(order):
        challenge = raw.challenge(authorization, "http-01")
        http01.answers[challenge["token"]] = raw.key_authorization(challenge)
        assert raw.respond(authorization, "http-01")["status"] == "valid"
    assert raw.until(url, "ready")["identifiers"] == order["identifiers"]

    done = raw.post(order["finalize"], {"csr": csr("a.example.com", "b.example.com")})

    assert done.json["status"] == "valid"
    default = raw.post(done.json["certificate"])
    assert default.headers["Content-Type"] == "application/pem-certificate-chain"
    (alternate,) = default.links("alternate")
    for i, pem in enumerate((default.body, raw.post(alternate).body)):
        leaf, intermediate = x509.load_pem_x509_certificates(pem)
        leaf.verify_directly_issued_by(intermediate)
        intermediate.verify_directly_issued_by(x509.load_pem_x509_certificate(raw.ca.root_pem(i)))
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["a.example.com", "b.example.com"]
