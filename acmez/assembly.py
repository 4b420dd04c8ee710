"""The tables of a configuration file -> the components and the client that they describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .client import Client
from .config import CertificateTable, Config, bind
from .errors import ConfigError, PluginError
from .options import join
from .plugins import KEY_PROVIDER, RETRY_POLICY, SOLVER, WAITER, Kind, PluginManager
from .routing import Route
from .spec import CertificateSpec


def assemble(document: Mapping[str, object], directory: Path, plugins: PluginManager | None) -> Client:
    """Return the client that *document* describes.

    Args:
        directory: what its paths are relative to.

    Raises:
        ConfigError: tells everything that is wrong.
    """
    config, problems = bind(document, directory)
    manager = plugins if plugins is not None else PluginManager()
    problems += load_plugins(document, directory, manager)
    components: dict[str, Any] = {}
    cause: BaseException | None = None
    for kind, where, table in _component_tables(document):
        name, options = _entry(table, "use"), _entry(table, "options")
        if isinstance(name, Mapping):
            problems.append(f"{where}.use: expected the name of a {kind.label} itself, got a table")
        if not isinstance(name, str) or not isinstance(options, Mapping | None):
            continue  # the file's own binding has told
        try:
            components[where] = manager.build(kind, name, options or {}, where=where, directory=directory)
        except ConfigError as exc:
            problems += exc.problems
        except PluginError as exc:
            problems += str(exc).splitlines()
            cause = cause or exc.__cause__
    if config is None or problems:
        raise ConfigError(problems) from cause
    return _client(config, components, manager)


def load_plugins(document: Mapping[str, object], directory: Path, manager: PluginManager) -> list[str]:
    """Block and load what the file says, and return what is wrong with it."""
    manager.block(*_texts(_entry(document, "block")))
    problems: list[str] = []
    for index, target in enumerate(_texts(_entry(document, "plugins"))):
        try:
            manager.load(target, directory=directory)
        except PluginError as exc:
            problems += [f"plugins[{index}]: {line}" for line in str(exc).splitlines()]
    return problems


def _entry(table: object, name: str) -> object:
    """What a table holds under *name*, with dashes or underscores; `None` if nothing."""
    if not isinstance(table, Mapping):
        return None
    return next((value for key, value in table.items() if key.replace("-", "_") == name), None)


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _component_tables(document: Mapping[str, object]) -> Iterator[tuple[Kind[Any], str, object]]:
    """Yield every table with `use`, with its kind and TOML path."""
    yield KEY_PROVIDER, "account_key", _entry(document, "account_key")
    yield RETRY_POLICY, "retry", _entry(document, "retry")
    solvers = _entry(document, "solver")
    for name, table in solvers.items() if isinstance(solvers, Mapping) else ():
        where = join("solver", name)
        yield SOLVER, where, table
        yield WAITER, f"{where}.wait", _entry(table, "wait")
    certificates = _entry(document, "certificate")
    for index, table in enumerate(certificates if isinstance(certificates, list) else ()):
        yield KEY_PROVIDER, f"certificate[{index}].key", _entry(table, "key")


def _client(config: Config, components: Mapping[str, Any], manager: PluginManager) -> Client:
    account = config.account
    routes = [
        Route(components[f"solver.{name}"], name, table.domains, components.get(f"solver.{name}.wait"))
        for name, table in config.solver.items()
    ]
    keys = [components.get(f"certificate[{index}].key") for index in range(len(config.certificate))]
    return Client(
        config.directory,
        solvers=routes,
        account_key=components.get("account_key"),
        contact=account.contact,
        terms_of_service_agreed=account.terms_of_service_agreed,
        external_account=None if account.eab is None else account.eab.binding,
        certificates=[_spec(table, key) for table, key in zip(config.certificate, keys, strict=True)],
        preferred_challenges=config.preferred_challenges,
        plugins=manager,
        journal=config.journal,
        retry=components.get("retry"),
        trust=config.trust,
        parallelism=config.parallelism,
        requests_per_second=config.requests_per_second,
        order_limit=config.order_limit,
        allow_http=config.allow_http,
        pin_host=config.pin_host,
    )


def _spec(table: CertificateTable, key: Any) -> CertificateSpec:
    return CertificateSpec(
        names=table.names,
        csr=None if table.csr is None else table.csr.read_bytes(),
        key=key,
        profile=table.profile,
        profile_required=table.profile_required,
        preferred_chain=table.preferred_chain,
        directory=table.directory,
        not_before=table.not_before,
        not_after=table.not_after,
    )
