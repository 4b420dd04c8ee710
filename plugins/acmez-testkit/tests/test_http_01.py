from __future__ import annotations

import ipaddress
import socket
from contextlib import closing

import pytest
from cryptography import x509

from .raw import csr
from .responders import Http01, challenge_certificate, server_context


def try_once(raw, *answer: Http01, name: str = "example.com", kind: str = "dns"):
    """Respond for one name; return the decided authorization and its challenge."""
    order = raw.post(raw.directory["newOrder"], {"identifiers": [{"type": kind, "value": name}]}).json
    (authorization,) = raw.authorizations(order)
    challenge = raw.challenge(authorization, "http-01")
    for http01 in answer:
        http01.answers[challenge["token"]] = raw.key_authorization(challenge)
    decided = raw.respond(authorization, "http-01")
    return decided, raw.challenge(decided, "http-01")


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


def test_the_file_is_fetched_from_each_perspective_with_the_bare_name_as_host(client, http01):
    raw = client(http_port=http01.port, validation_attempts=3)
    decided, challenge = try_once(raw, http01)
    assert http01.seen == [("example.com", f"/.well-known/acme-challenge/{challenge['token']}")] * 3
    assert decided["challenges"] == [challenge]
    assert challenge["status"] == "valid"
    assert challenge["validated"].endswith("Z")


def test_a_wrong_body_fails_the_challenge_the_authorization_and_the_order(client, http01):
    raw = client(http_port=http01.port)
    url, order = raw.order("example.com")
    (authorization,) = raw.authorizations(order)
    challenge = raw.challenge(authorization, "http-01")
    http01.answers[challenge["token"]] = "wrong"
    decided = raw.respond(authorization, "http-01")
    assert decided["status"] == "invalid"
    (failed,) = decided["challenges"]
    assert failed["error"]["type"] == "urn:ietf:params:acme:error:unauthorized"
    assert raw.post(url).json["status"] == "invalid"
    assert raw.key_authorization(challenge) not in str(failed)
    assert raw.post(challenge["url"], {}).json["status"] == "invalid"


def test_white_space_after_the_key_authorization_does_not_matter(client, http01):
    raw = client(http_port=http01.port)
    _, order = raw.order("example.com")
    (authorization,) = raw.authorizations(order)
    challenge = raw.challenge(authorization, "http-01")
    http01.answers[challenge["token"]] = raw.key_authorization(challenge) + "\r\n"
    assert raw.respond(authorization, "http-01")["status"] == "valid"


def test_a_missing_file_and_a_missing_server_are_different_problems(client, http01):
    assert "status 404" in try_once(client(http_port=http01.port))[1]["error"]["detail"]
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        raw = client(http_port=deaf.getsockname()[1])
        assert try_once(raw)[1]["error"]["type"].endswith(":connection")


def test_a_failure_of_a_later_perspective_says_so(client):
    with closing(Http01()) as once:
        raw = client(http_port=once.port)
        once.answers_once = True
        decided, challenge = try_once(raw, once)
    assert decided["status"] == "invalid"
    assert challenge["error"]["detail"].startswith("During secondary validation: ")


def test_a_failed_challenge_can_stay_pending_and_be_tried_again(client, http01):
    raw = client(http_port=http01.port, leave_failed_pending=True)
    url, order = raw.order("example.com")
    (authorization,) = raw.authorizations(order)
    challenge = raw.challenge(authorization, "http-01")
    raw.post(challenge["url"], {})
    assert raw.until(challenge["url"], "pending")["error"]["type"].endswith(":unauthorized")
    assert raw.post(url).json["status"] == "pending"
    http01.answers[challenge["token"]] = raw.key_authorization(challenge)
    assert raw.respond(authorization, "http-01")["status"] == "valid"


def test_the_answer_to_the_challenge_does_not_wait_for_the_validation(client, http01):
    raw = client(http_port=http01.port, validation_delay=30, retry_after=(9, None))
    _, order = raw.order("example.com")
    (authorization,) = raw.authorizations(order)
    challenge = raw.challenge(authorization, "http-01")
    reply = raw.post(challenge["url"], {})
    assert (reply.json["status"], reply.headers["Retry-After"]) == ("processing", "9")
    assert reply.links("up") == order["authorizations"]
    assert raw.post(order["authorizations"][0]).headers["Retry-After"] == "9"
    assert raw.post(challenge["url"], {}).status == 200
    other = raw.challenge(authorization, "tls-alpn-01")
    assert raw.post(other["url"], {}).problem == "malformed"
    assert http01.seen == []


@pytest.mark.parametrize("payload", [{"keyAuthorization": "x"}, [], "text"])
def test_the_response_is_the_empty_object(client, payload):
    raw = client()
    (authorization,) = raw.authorizations(raw.order("example.com")[1])
    assert raw.post(raw.challenge(authorization, "http-01")["url"], payload).problem == "malformed"


class TestRedirects:
    def redirected(self, raw, http01, location):
        _, order = raw.order("example.com")
        (authorization,) = raw.authorizations(order)
        challenge = raw.challenge(authorization, "http-01")
        path = f"/.well-known/acme-challenge/{challenge['token']}"
        http01.redirects[path] = location.format(path=path, token=challenge["token"])
        http01.answers[challenge["token"]] = raw.key_authorization(challenge)
        return raw.challenge(raw.respond(authorization, "http-01"), "http-01")

    @pytest.mark.parametrize(
        "location", ["/other/{token}", "http://other.example/{token}", "http://other.example:80/{token}"]
    )
    def test_are_followed_to_other_paths_and_hosts(self, client, http01, location):
        assert self.redirected(client(http_port=http01.port), http01, location)["status"] == "valid"

    def test_are_followed_to_https_whatever_its_certificate(self, client, http01):
        certificate, key = challenge_certificate([x509.DNSName("wrong.invalid")], None)
        with closing(Http01(tls=server_context(certificate, key, None))) as https:
            https.answers = http01.answers
            raw = client(http_port=http01.port, tls_port=https.port)
            assert self.redirected(raw, http01, "https://secure.example/{token}")["status"] == "valid"
            assert https.seen[0][0] == "secure.example"

    @pytest.mark.parametrize(
        "location", ["{path}", "http://example.com:8080{path}", "ftp://example.com/x", "http://[::1", "http://a:x/"]
    )
    def test_are_not_followed_for_ever_nor_anywhere(self, client, http01, location):
        failed = self.redirected(client(http_port=http01.port), http01, location)
        assert failed["error"]["type"].endswith(":connection")
        assert "redirect" in failed["error"]["detail"]


class TestAddresses:
    def test_an_ipv4_identifier_is_fetched_with_itself_as_host(self, client, http01):
        raw = client(http_port=http01.port)
        decided, _ = try_once(raw, http01, name="127.0.0.1", kind="ip")
        assert decided["status"] == "valid"
        assert decided["identifier"] == {"type": "ip", "value": "127.0.0.1"}
        assert http01.seen[0][0] == "127.0.0.1"

    def test_an_ipv6_identifier_is_in_brackets_in_the_host(self, client):
        with closing(Http01(socket.AF_INET6)) as http01:
            raw = client(http_port=http01.port)
            assert try_once(raw, http01, name="::1", kind="ip")[0]["status"] == "valid"
            assert http01.seen[0][0] == "[::1]"

    def test_another_address_is_taken_to_be_here_without_a_resolver(self, client, http01):
        raw = client(http_port=http01.port)
        assert try_once(raw, http01, name="192.0.2.1", kind="ip")[0]["status"] == "valid"

    def test_the_test_says_where_a_host_is(self, client, http01):
        hosts = {"elsewhere.example": "192.0.2.1", "six.example": "::1"}
        raw = client(http_port=http01.port, hosts=hosts)
        assert "not a loopback address" in try_once(raw, name="elsewhere.example")[1]["error"]["detail"]
        assert try_once(raw, http01, name="six.example")[1]["error"]["type"].endswith(":connection")

    def test_a_certificate_for_an_address_and_a_name(self, client, http01):
        raw = client(http_port=http01.port)
        identifiers = [{"type": "ip", "value": "127.0.0.1"}, {"type": "dns", "value": "a.example"}]
        reply = raw.post(raw.directory["newOrder"], {"identifiers": identifiers})
        raw.authorize(http01, reply.json)
        raw.until(reply.headers["Location"], "ready")
        request = csr(x509.IPAddress(ipaddress.ip_address("127.0.0.1")), "a.example")
        assert raw.post(reply.json["finalize"], {"csr": request}).json["status"] == "valid"
        names = raw.ca.certificates[0].leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
