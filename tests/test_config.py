"""A TOML file becomes a client, or every problem in it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, get_origin

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from acmez.acme.identifier import Identifier
from acmez.acme.pace import OrderLimit
from acmez.config import (
    AccountTable,
    CertificateTable,
    Config,
    ExternalAccountTable,
    UseKeyProvider,
    UseRetryPolicy,
    UseSolver,
    UseWaiter,
    bind,
    from_config,
    load_config,
)
from acmez.csr import build_request
from acmez.errors import ConfigError
from acmez.option_types import bare, slots_of
from acmez.plugins import PluginManager
from tests.unprivileged import unprivileged

HOOKS = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from acmez.hookspecs import hookimpl
from acmez.options import Secret

@dataclass(frozen=True)
class Made:
    name: ClassVar[str] = "http-made"
    challenge_type: ClassVar[str] = "http-01"
    path: Path
    token: Secret | None = None
    def present(self, challenge, scope): ...
    def clean_up(self, challenge, handle, scope): ...

@dataclass(frozen=True)
class Pause:
    name: ClassVar[str] = "pause"
    seconds: float = 1.0
    def wait(self, challenge, scope): ...

@hookimpl
def acmez_solvers():
    yield Made

@hookimpl
def acmez_waiters():
    yield Pause
"""

WHOLE = """
directory = "letsencrypt-staging"
trust = "root.pem"
plugins = ["./hooks.py"]
block = ["http-other"]
parallelism = 4
pin_host = true
requests_per_second = 18
order_limit = { orders = 300, seconds = 10800 }
preferred_challenges = ["dns-01"]

[account]
contact = ["mailto:admin@example.com"]
terms_of_service_agreed = true
eab = { kid = "kid-1", hmac_key = { env = "EAB_KEY" } }

[account_key]
use = "file"
options.path = "account.pem"

[solver.web]
use = "http-made"
domains = ["*.example.com", "example.com"]
options.path = "html"
options.token = { file = "token" }

[solver.web.wait]
use = "pause"
options.seconds = 3

[solver.rest]
use = "http-made"
options = { path = "/srv" }

[retry]
use = "default"
options.attempts = 3

[[certificate]]
names = ["example.com", "www.example.com"]
directory = "certs/example.com"
key = { use = "generated", options.type = "ec-p384" }
profile = "tlsserver"
preferred_chain = "ISRG Root X1"
not_after = 2030-01-01T00:00:00Z

[[certificate]]
csr = "request.pem"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with all that the file refers to; it is not the working directory."""
    import trustme

    (tmp_path / "hooks.py").write_text(HOOKS)
    (tmp_path / "token").write_text("s3cret\n")
    trustme.CA().cert_pem.write_to_path(tmp_path / "root.pem")
    request = build_request(ec.generate_private_key(ec.SECP256R1()), [Identifier.dns("csr.example.com")])
    (tmp_path / "request.pem").write_bytes(request.public_bytes(Encoding.PEM))
    monkeypatch.setenv("EAB_KEY", "c2VjcmV0")
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / "acmez.toml"
    path.write_text(text)
    return path


def problems(home: Path, text: str) -> list[str]:
    """Return what is told of a file whose directory is right."""
    with pytest.raises(ConfigError) as caught:
        from_config(
            write(home, text if "directory = " in text.partition("[")[0] else f'directory = "letsencrypt"\n{text}')
        )
    return list(caught.value.problems)


def test_the_whole_file(home: Path):
    config = load_config(write(home, WHOLE))
    assert (config.directory, config.parallelism, config.preferred_challenges) == (
        "letsencrypt-staging",
        4,
        ("dns-01",),
    )
    assert config.trust == home / "root.pem"
    assert (config.pin_host, config.requests_per_second) == (True, 18.0)
    assert config.order_limit == OrderLimit(300, 10800.0)
    assert (config.plugins, config.block) == (("./hooks.py",), ("http-other",))
    assert config.account.contact == ("mailto:admin@example.com",)
    assert config.account.terms_of_service_agreed
    assert config.account.eab is not None
    assert (config.account.eab.kid, config.account.eab.hmac_key) == ("kid-1", "c2VjcmV0")
    assert config.account_key is not None
    assert (config.account_key.use, config.account_key.options) == ("file", {"path": "account.pem"})
    assert config.solver["web"].domains == ("*.example.com", "example.com")
    assert config.solver["web"].wait is not None
    assert config.solver["rest"].options == {"path": "/srv"}
    first, second = config.certificate
    assert (first.names, first.directory) == (("example.com", "www.example.com"), home / "certs/example.com")
    assert (first.profile, first.preferred_chain) == ("tlsserver", "ISRG Root X1")
    assert first.not_after == datetime(2030, 1, 1, tzinfo=UTC)
    assert second.csr == home / "request.pem"


def test_the_configuration_does_not_show_its_secrets(home: Path):
    assert "c2VjcmV0" not in repr(load_config(write(home, WHOLE)))


def test_the_client_of_the_whole_file(home: Path, monkeypatch: pytest.MonkeyPatch):
    given: dict[str, Any] = {}

    class Recorder:
        def __init__(self, directory: str, **arguments: object) -> None:
            given.update(arguments, directory=directory)

    monkeypatch.setattr("acmez.assembly.Client", Recorder)
    manager = PluginManager(discover=False)
    from_config(write(home, WHOLE), plugins=manager)
    web, rest = given["solvers"]
    assert (web.name, web.domains, web.solver.path) == ("web", ("*.example.com", "example.com"), home / "html")
    assert (web.solver.token, web.waiter.seconds) == ("s3cret", 3.0)
    assert (rest.name, rest.domains, rest.waiter, rest.solver.path) == ("rest", (), None, Path("/srv"))
    assert given["account_key"].path == home / "account.pem"
    assert given["external_account"].mac_key == "c2VjcmV0"
    assert given["retry"].attempts == 3
    assert given["plugins"] is manager
    assert (given["directory"], given["trust"]) == ("letsencrypt-staging", home / "root.pem")
    assert (given["parallelism"], given["preferred_challenges"]) == (4, ("dns-01",))
    assert (given["pin_host"], given["requests_per_second"]) == (True, 18.0)
    assert given["order_limit"] == OrderLimit(300, 10800.0)
    assert (given["contact"], given["terms_of_service_agreed"]) == (("mailto:admin@example.com",), True)
    first, second = given["certificates"]
    assert (first.names, first.key.type) == (("example.com", "www.example.com"), "ec-p384")
    assert (first.profile, first.preferred_chain) == ("tlsserver", "ISRG Root X1")
    assert (first.not_before, first.not_after) == (None, datetime(2030, 1, 1, tzinfo=UTC))
    assert second.csr == (home / "request.pem").read_bytes()


def test_a_client_is_made(home: Path):
    with from_config(write(home, WHOLE)) as client:
        assert [spec.names for spec in client.certificates] == [("example.com", "www.example.com"), ()]
        assert client.certificates[0].directory == home / "certs/example.com"


def test_the_smallest_file(home: Path):
    assert load_config(write(home, 'directory = "letsencrypt"')) == Config("letsencrypt")


def test_dashes_do_as_well(home: Path):
    text = 'plugins = ["./hooks.py"]\n[account-key]\nuse = "file"\noptions.pth = "x"\n'
    assert problems(home, text) == [
        "account_key.options.pth: unknown option (did you mean 'path'?)",
        "account_key.options.path: required by 'file' (a path)",
    ]


def test_every_problem_of_the_file_is_told_at_once(home: Path):
    text = """
    directory = "letsencript"
    trust = "nope.pem"
    plugins = ["./hooks.py", "nope.hooks", 3]
    acount = 1
    parallelism = 0
    requests_per_second = 0
    pin_host = "yes"
    order_limit = { orders = 0, seconds = 10800 }
    [account]
    contact = ["admin@example.com", "mailto:a@example.com,b@example.com"]
    terms_of_service_agreed = "yes"
    eab = { kid = "kid", hmac_key = "not base64url!" }
    [account_key]
    use = "fil"
    [solver.web]
    use = "http-made"
    domans = []
    domains = ["exa mple.com", "example.com", "*.*.example.com"]
    options.pth = "x"
    [solver.web.wait]
    use = "pause"
    options.seconds = "long"
    [solver.rest]
    options = {}
    [retry]
    use = "default"
    options.attempts = 0
    [[certificate]]
    names = ["exa mple.com", "example.com", "*.*.example.com"]
    [[certificate]]
    names = ["example.com"]
    csr = "nope.pem"
    [[certificate]]
    [[certificate]]
    csr = "request.pem"
    key = { use = "generated" }
    """
    told = problems(home, text)
    starts = [
        "directory: unknown CA 'letsencript' (did you mean 'letsencrypt'? known: ",
        f"trust: '{home}/nope.pem': cannot be used as trust store: ",
        "plugins[2]: expected a string, got 3",
        "acount: unknown option (did you mean 'account'?)",
        "parallelism: expected at least 1, got 0",
        "requests_per_second: 0.0 is not more than 0",
        "pin_host: expected true or false, got 'yes'",
        "order_limit.orders: expected at least 1, got 0",
        "account.contact: 'admin@example.com' is not a URL (did you mean 'mailto:admin@example.com'?)",
        "account.contact: 'mailto:a@example.com,b@example.com': a mailto: URL holds one address",
        "account.terms_of_service_agreed: expected true or false, got 'yes'",
        "account.eab: external account 'kid': the MAC key is not base64url",
        "solver.web.domans: unknown option (did you mean 'domains'?)",
        "solver.web.domains: 'exa mple.com': ",
        "solver.web.domains: '*.*.example.com': ",
        "solver.rest.use: required (a string)",
        "certificate[0].names: 'exa mple.com'",
        "certificate[0].names: '*.*.example.com'",
        f"certificate[1].csr: '{home}/nope.pem': No such file or directory",
        "certificate[2]: expected either names or csr, got neither",
        "certificate[3].key: the certificate request has its key already",
        "plugins[1]: plugin 'nope.hooks' is neither installed nor a module that can be imported",
        "account_key.use: unknown key provider 'fil'; did you mean 'file'? installed: file, generated",
        "retry.options: attempts, nonce_attempts and conflict_attempts must be at least 1",
        "solver.web.options.pth: unknown option (did you mean 'path'?)",
        "solver.web.options.path: required by 'http-made' (a path)",
        "solver.web.wait.options.seconds: expected a number, got 'long'",
    ]
    assert len(told) == len(starts), "\n".join(told)
    for line, start in zip(told, starts, strict=True):
        assert line.startswith(start)


def test_a_plugin_that_is_known_and_absent(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acmez.catalogue.KNOWN_PLUGINS", {"dns-made": "acmez-dns-made"})
    assert problems(home, '[solver.corp]\nuse = "dns-made"') == [
        "solver.corp.use: solver 'dns-made' is not installed: pip install acmez-dns-made"
    ]


def test_what_is_blocked_cannot_be_used(home: Path):
    assert problems(home, 'block = ["file"]\n[account_key]\nuse = "file"\noptions.path = "x"') == [
        "account_key.use: key provider 'file' is blocked in this configuration"
    ]


def test_no_secret_is_told(home: Path, monkeypatch: pytest.MonkeyPatch):
    text = """
    plugins = ["./hooks.py"]
    [account]
    eab = { kid = "kid", hmac_kee = "s3cret", hmac_key = ["s3cret"] }
    [solver.web]
    use = "http-made"
    options = { path = "x", token = ["s3cret"], tokn = "s3cret" }
    """
    told = problems(home, text)
    assert told == [
        "account.eab.hmac_kee: unknown option (did you mean 'hmac_key'?)",
        "account.eab.hmac_key: expected a secret string, got a list",
        "solver.web.options.token: expected a secret string, got a list",
        "solver.web.options.tokn: unknown option (did you mean 'token'?)",
    ]


def test_a_ca_elsewhere_needs_tls(home: Path):
    for more in ("", "allow_http = true"):
        assert problems(home, f'directory = "http://ca.example/dir"\n{more}') == [
            "directory: 'http://ca.example/dir' is not protected by TLS, as RFC 8555 §6.1 requires (write 'https://')"
        ]


def test_a_ca_on_this_machine_goes_without_tls_only_if_asked_to(home: Path):
    assert problems(home, 'directory = "http://127.0.0.1/dir"') == [
        "directory: 'http://127.0.0.1/dir' is not protected by TLS (set allow_http = true if that is what you want)"
    ]


def test_a_ca_that_wants_a_contact(home: Path):
    assert problems(home, 'directory = "sslcom-rsa"\nparallelism = 0') == [
        "parallelism: expected at least 1, got 0",
        'account.contact: required by SSL.com (RSA) (["mailto:you@example.com"])',
    ]


def test_the_name_of_a_component_is_written_out(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("POLICY", "default")
    assert problems(home, '[retry]\nuse = { env = "POLICY" }') == [
        "retry.use: expected the name of a retry policy itself, got a table"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1:14000", "localhost", "[::1]:14000"])
def test_a_ca_on_this_machine_may_go_without_tls(home: Path, host: str):
    config = load_config(write(home, f'directory = "http://{host}/dir"\nallow_http = true'))
    assert config.directory == f"http://{host}/dir"


def test_two_certificates_cannot_be_written_to_one_place(home: Path):
    text = '[[certificate]]\nnames = ["a.example"]\ndirectory = "x"\n'
    text += '[[certificate]]\nnames = ["b.example"]\ndirectory = "x/"\n'
    assert problems(home, text) == [f"certificate[1].directory: '{home}/x' is where certificate[0] goes"]


def test_times_need_a_zone(home: Path):
    text = '[[certificate]]\nnames = ["a.example"]\nnot_after = 2030-01-01T00:00:00'
    assert problems(home, text) == [
        "certificate[0].not_after: 2030-01-01T00:00:00 has no time zone (did you mean '2030-01-01T00:00:00Z'?)"
    ]


def test_tables_of_the_wrong_shape(home: Path):
    text = 'account = 1\nsolver = []\ncertificate = { }\nretry = "default"\nplugins = "x"'
    assert problems(home, text) == [
        "account: expected a table, got 1",
        "solver: expected a table of tables, got a list",
        "certificate: expected a list of tables, got an empty table",
        "retry: expected a table, got 'default'",
        "plugins: expected a list of strings, got 'x'",
    ]


def test_a_file_that_is_not_toml(home: Path):
    path = write(home, 'directory = "letsencrypt"\nplugins [1]\n')
    with pytest.raises(ConfigError, match=rf"^{path}:2:9: not TOML: expected '=' after a key in a key/value pair$"):
        load_config(path)


def test_a_file_that_ends_too_early(home: Path):
    path = write(home, "directory = ")
    with pytest.raises(ConfigError, match=rf"^{path}.*: not TOML: invalid value"):
        load_config(path)


def test_a_file_that_is_not_text(home: Path):
    path = home / "acmez.toml"
    path.write_bytes(b"# fine\n# \xff\n")
    with pytest.raises(ConfigError, match=rf"^{path}:2: not UTF-8 text$"):
        load_config(path)


def test_a_file_that_is_not_there(home: Path):
    with pytest.raises(ConfigError, match=rf"^{home}/nope.toml: cannot be read: No such file or directory$"):
        load_config(home / "nope.toml")


def test_what_cannot_be_read(home: Path):
    with pytest.raises(ConfigError, match=rf"^{home}: cannot be read: Is a directory$"):
        load_config(home)
    path = write(home, 'directory = "letsencrypt"')
    path.chmod(0)
    with unprivileged(), pytest.raises(ConfigError, match=r"acmez\.toml: cannot be read: Permission denied$"):
        load_config(path)


#: The tables of a file, by their TOML path, and what holds them.
TABLES: dict[str, type] = {
    "": Config,
    "order_limit": OrderLimit,
    "account": AccountTable,
    "account.eab": ExternalAccountTable,
    "account_key": UseKeyProvider,
    "solver.web": UseSolver,
    "solver.web.wait": UseWaiter,
    "retry": UseRetryPolicy,
    "certificate[0]": CertificateTable,
}
OPTIONS = [(where, name) for where, table in TABLES.items() for name in slots_of(table)]
VALUES: dict[str, object] = {
    "true": True,
    "integer": 7,
    "huge": 10**400,
    "number": -1.5,
    "nan": float("nan"),
    "text": "x",
    "nothing": "",
    "list": [],
    "lists": [[[]]],
    "integers": [7],
    "table": {},
    "tables": [{}],
    "odd": {"": {"a": []}},
    "moment": datetime(2030, 1, 1, tzinfo=UTC),
    "day": date(2030, 1, 1),
    "time": time(12),
}


def could_fit(hint: Any, value: object) -> bool:
    """Whether a value has at least the kind of what an option takes."""
    inner = bare(hint)
    if get_origin(inner) in {list, tuple, Sequence}:
        return isinstance(value, list)
    if get_origin(inner) is Mapping or is_dataclass(inner):
        return isinstance(value, dict)
    if inner is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    kinds: dict[object, type] = {bool: bool, int: int, datetime: datetime}
    return type(value) is kinds.get(inner, str)


@pytest.mark.parametrize(("where", "name"), OPTIONS, ids=[f"{where}.{name}".lstrip(".") for where, name in OPTIONS])
def test_an_option_of_any_wrong_type_is_told_with_its_path(home: Path, where: str, name: str):
    path = f"{where}.{name}".lstrip(".")
    for value in VALUES.values():
        document: Any = {"directory": "letsencrypt"}
        table = document
        for key in filter(None, where.split(".")):
            inner: Any = {}
            table[key.removesuffix("[0]")] = [inner] if key.endswith("[0]") else inner
            table = inner
        table[name] = value
        _, told = bind(document, home)
        if not could_fit(slots_of(TABLES[where])[name].hint, value):
            assert [line for line in told if line.startswith(path)], f"{value!r}: {told}"
        assert all(len(line) < 1000 for line in told)


def test_a_file_from_an_editor_that_marks_its_encoding(home: Path):
    path = home / "acmez.toml"
    path.write_bytes(b'\xef\xbb\xbfdirectory = "letsencrypt"\n')
    assert load_config(path).directory == "letsencrypt"


def test_the_plugin_of_a_file_is_active(home: Path):
    hook = "@hookimpl\ndef acmez_choose_challenge(challenges): return challenges[0]\n"
    (home / "hooks.py").write_text(f"from acmez.hookspecs import hookimpl\n{hook}")
    manager = PluginManager(discover=False)
    with from_config(write(home, 'directory = "letsencrypt"\nplugins = ["./hooks.py"]'), plugins=manager):
        assert manager.hooks_active("acmez_choose_challenge")
