from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from acmez.acme import Challenge, Identifier, InputError, MalformedAnswer, Meta
from acmez.acme.challenges import TxtRecord, dns_persist_01
from acmez.acme.wire import JSON
from tests.acme.challenges.making import THUMBPRINT, make

ACCOUNT = "https://ca.example/acct/123"
PREFIX = "https://ca.example/account-hash/"
HASHED = "https://ca.example/account-hash/sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"
ANYWHERE = "https://ca.example/account-hash/sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug"
UNTIL = datetime(2024, 7, 26, tzinfo=UTC)
NAMES = ["authority.example", "ca.example.net"]
META = Meta(account_hash_prefix=PREFIX, issuer_domain_names=tuple(NAMES))


def plain(names: JSON = NAMES, *, wildcard: bool = False, **members: JSON) -> Challenge:
    """Return a challenge of revision -00 or -01."""
    return make("dns-persist-01", token=None, wildcard=wildcard, members={"issuer-domain-names": names, **members})


def hashed(names: JSON = NAMES, *, identifier: str = "example.com", wildcard: bool = False) -> Challenge:
    """Return a challenge of revision -02."""
    return make("dns-persist-01", identifier, token=None, wildcard=wildcard, members={"issuerDomainNames": names})


def test_the_first_revision_names_the_account_by_its_url():
    assert dns_persist_01.record(plain()) == TxtRecord(
        "_validation-persist.example.com", f"authority.example; accounturi={ACCOUNT}", persistent=True
    )


def test_the_second_revision_names_the_account_by_a_hash():
    assert dns_persist_01.record(hashed(), meta=META) == TxtRecord(
        "_validation-persist.example.com", f"authority.example; accounturi={HASHED}", persistent=True
    )


def test_a_challenge_with_both_members_is_of_the_second_revision():
    both = plain(["other.example"], issuerDomainNames=NAMES)
    assert dns_persist_01.record(both, meta=META).value == f"authority.example; accounturi={HASHED}"


@pytest.mark.parametrize(
    ("wildcard", "until", "end"),
    [
        (False, None, ""),
        (True, None, "; policy=wildcard"),
        (False, UNTIL, "; persistUntil=1721952000"),
        (True, UNTIL, "; policy=wildcard; persistUntil=1721952000"),
    ],
)
def test_the_examples_of_the_drafts(wildcard: bool, until: datetime | None, end: str):
    old = dns_persist_01.record(plain(wildcard=wildcard), persist_until=until)
    new = dns_persist_01.record(hashed(wildcard=wildcard), meta=META, persist_until=until)
    assert old.value == f"authority.example; accounturi={ACCOUNT}{end}"
    assert new.value == f"authority.example; accounturi={HASHED}{end}"
    assert old.name == new.name == "_validation-persist.example.com"


def test_the_example_of_acme4j():
    assert (
        dns_persist_01.issue_value(
            "ca.example.net",
            "https://example.com/acme/account/1",
            wildcard=True,
            persist_until=datetime(2026, 1, 1, tzinfo=UTC),
        )
        == "ca.example.net; accounturi=https://example.com/acme/account/1; policy=wildcard; persistUntil=1767225600"
    )


@pytest.mark.parametrize(("domain", "uri"), [("example.com", HASHED), ("EXAMPLE.com.", HASHED), ("*", ANYWHERE)])
def test_the_hashes_of_the_draft(domain: str, uri: str):
    assert dns_persist_01.hashed_account_uri(PREFIX, domain, THUMBPRINT, ACCOUNT) == uri


def test_the_hash_can_leave_the_name_out():
    first, second = (
        dns_persist_01.record(hashed(identifier=name), meta=META, any_domain=True)
        for name in ("a.example", "b.example")
    )
    assert first.value == second.value == f"authority.example; accounturi={ANYWHERE}"
    assert dns_persist_01.record(hashed(identifier="a.example"), meta=META).value != first.value


def test_a_record_may_cover_wildcards_before_one_is_ordered():
    assert dns_persist_01.record(plain(), wildcard=True).value.endswith("; policy=wildcard")


def test_the_issuer_may_be_chosen_among_those_offered():
    assert dns_persist_01.record(plain(), issuer="ca.example.net").value.startswith("ca.example.net; ")
    with pytest.raises(InputError, match=r"'letsencrypt.org' is not offered.*authority.example, ca.example.net"):
        dns_persist_01.record(plain(), issuer="letsencrypt.org")


def test_a_long_record_is_cut_into_strings():
    account = "https://ca.example/acct/" + "1" * 400
    challenge = make("dns-persist-01", token=None, account_url=account, members={"issuer-domain-names": ["ca.example"]})
    record = dns_persist_01.record(challenge)
    assert [len(string) for string in record.strings] == [255, len(record.value) - 255]
    assert "".join(record.strings) == f"ca.example; accounturi={account}"


@pytest.mark.parametrize("member", ["issuer-domain-names", "issuerDomainNames"])
@pytest.mark.parametrize(
    "names",
    [
        [],
        [f"ca{number}.example" for number in range(11)],
        ["CA.example"],
        ["ca.example."],
        ["cä.example"],
        ["ca_1.example"],
        ["ca.example; policy=wildcard"],
        ["a" * 64 + ".example"],
        [".".join(["a" * 62] * 5)],
        ["ca.example", 7],
        ["ca.example\n"],
        "ca.example",
        {"ca.example": True},
        None,
    ],
    ids=lambda names: str(names)[:20] if isinstance(names, list) else None,
)
def test_names_that_the_draft_forbids_make_the_challenge_malformed(member: str, names: JSON):
    challenge = make("dns-persist-01", token=None, members={member: names})
    with pytest.raises(MalformedAnswer, match=f"{member}: expected 1 to 10"):
        dns_persist_01.issuer_domain_names(challenge)


def test_ten_names_are_allowed():
    names = tuple(f"ca{number}.example" for number in range(10))
    assert dns_persist_01.issuer_domain_names(plain(list(names))) == names


def test_a_name_that_the_directory_promises_must_be_offered():
    meta = Meta(account_hash_prefix=PREFIX, issuer_domain_names=("promised.example",))
    with pytest.raises(MalformedAnswer, match=r"'promised.example' of the directory is missing"):
        dns_persist_01.record(hashed(), meta=meta)


def test_an_offered_name_must_be_a_caa_identity_if_there_are_any():
    known = Meta(account_hash_prefix=PREFIX, caa_identities=("Authority.Example.", "ca.example.net", "more.example"))
    assert dns_persist_01.issuer_domain_names(hashed(), known) == tuple(NAMES)
    unknown = Meta(account_hash_prefix=PREFIX, caa_identities=("authority.example",))
    with pytest.raises(MalformedAnswer, match=r"'ca.example.net' is not among the directory's caaIdentities"):
        dns_persist_01.issuer_domain_names(hashed(), unknown)


@pytest.mark.parametrize(
    "meta",
    [
        Meta(issuer_domain_names=("Not.Conforming",)),
        Meta(issuer_domain_names=tuple(f"ca{number}.example" for number in range(11))),
        Meta(caa_identities=("not a name",)),
    ],
)
def test_lists_of_the_directory_that_do_not_conform_count_as_missing(meta: Meta):
    assert dns_persist_01.issuer_domain_names(hashed(), meta) == tuple(NAMES)


def test_the_first_revision_is_not_compared_with_the_directory():
    meta = Meta(issuer_domain_names=("promised.example",), caa_identities=("other.example",))
    assert dns_persist_01.issuer_domain_names(plain(), meta) == tuple(NAMES)


def test_the_first_revision_may_say_which_account_it_is_for():
    assert dns_persist_01.record(plain(accounturi=ACCOUNT)) == dns_persist_01.record(plain())


@pytest.mark.parametrize("account", ["https://other.example/acct/1", 7, None, ["x"]])
def test_a_challenge_for_another_account_is_refused(account: JSON):
    with pytest.raises(MalformedAnswer, match=r"is not the account 'https://ca.example/acct/123'"):
        dns_persist_01.record(plain(accounturi=account))


@pytest.mark.parametrize("prefix", [None, "", "account-hash/", "https://ca.example/;x", "https://ca.example/ x"])
def test_the_second_revision_needs_a_usable_prefix(prefix: str | None):
    with pytest.raises(MalformedAnswer, match="accountHashPrefix"):
        dns_persist_01.record(hashed(), meta=Meta(account_hash_prefix=prefix))


def test_the_second_revision_needs_the_directory():
    with pytest.raises(InputError, match="needs the directory's meta"):
        dns_persist_01.record(hashed())


def test_there_is_no_record_without_an_account():
    challenge = make("dns-persist-01", token=None, account_url="", members={"issuer-domain-names": NAMES})
    with pytest.raises(InputError, match="carries no account URL"):
        dns_persist_01.record(challenge)


def test_addresses_are_not_proved_with_it():
    members: dict[str, JSON] = {"issuer-domain-names": NAMES}
    challenge = make("dns-persist-01", Identifier.ip("192.0.2.1"), token=None, members=members)
    with pytest.raises(MalformedAnswer, match="of type 'ip'"):
        dns_persist_01.record(challenge)


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'dns-persist-01'"):
        dns_persist_01.record(make("dns-01"))


@pytest.mark.parametrize(
    ("issuer", "account", "until", "reason"),
    [
        ("CA.example", ACCOUNT, None, "issuer"),
        ("ca.example; a=b", ACCOUNT, None, "issuer"),
        ("ca.example", f"{ACCOUNT}; policy=wildcard", None, "account URI"),
        ("ca.example", "https://ca.example/ü", None, "account URI"),
        ("ca.example", "", None, "account URI"),
        ("ca.example", ACCOUNT, datetime(2024, 7, 26), "no time zone"),  # noqa: DTZ001
        ("ca.example", ACCOUNT, datetime(1969, 12, 31, tzinfo=UTC), "before 1970"),
    ],
)
def test_nothing_can_be_smuggled_into_a_record(issuer: str, account: str, until: datetime | None, reason: str):
    with pytest.raises(InputError, match=reason):
        dns_persist_01.issue_value(issuer, account, persist_until=until)


def test_the_end_is_the_same_moment_in_any_time_zone():
    there = timezone(timedelta(hours=9))
    assert dns_persist_01.issue_value("a.example", "b:c", persist_until=UNTIL.astimezone(there)).endswith("=1721952000")


@pytest.mark.parametrize(
    ("prefix", "domain", "thumbprint", "account", "reason"),
    [
        ("account-hash", "example.com", THUMBPRINT, ACCOUNT, "accountHashPrefix"),
        (PREFIX, "ünicode.example", THUMBPRINT, ACCOUNT, "A-labels"),
        (PREFIX, "*.example.com", THUMBPRINT, ACCOUNT, "A-labels"),
        (PREFIX, "example.com", THUMBPRINT[:-1], ACCOUNT, "thumbprint"),
        (PREFIX, "example.com", "ü" * 43, ACCOUNT, "thumbprint"),
        (PREFIX, "example.com", THUMBPRINT, "", "account URL"),
        (PREFIX, "example.com", THUMBPRINT, "https://ca.example/ü", "account URL"),
    ],
)
def test_a_hash_needs_sound_inputs(prefix: str, domain: str, thumbprint: str, account: str, reason: str):
    with pytest.raises(InputError, match=reason):
        dns_persist_01.hashed_account_uri(prefix, domain, thumbprint, account)
