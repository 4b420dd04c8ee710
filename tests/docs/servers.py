"""Configurations of other programs, judged by those programs themselves where they are installed."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.docs import shell
from tests.docs.place import Place
from tests.pebble.ports import ReservedPorts

_DIRECTIVES = {
    "Unit": {"Description", "After", "Wants", "Requires", "OnFailure", "Documentation"},
    "Service": {
        *("Type", "ExecStart", "ExecStartPost", "User", "Group", "WorkingDirectory", "Environment", "EnvironmentFile"),
        *("DynamicUser", "AmbientCapabilities", "CapabilityBoundingSet", "LimitNOFILE", "Restart", "RestartSec"),
        *("SuccessExitStatus", "StateDirectory", "ConfigurationDirectory", "LoadCredential", "NoNewPrivileges"),
        *("PrivateTmp", "ProtectHome", "ProtectSystem", "ReadWritePaths", "RestartForceExitStatus", "TimeoutStartSec"),
    },
    "Timer": {"OnCalendar", "RandomizedDelaySec", "FixedRandomDelay", "Persistent", "OnBootSec", "OnUnitActiveSec"},
    "Path": {"PathChanged", "PathModified", "PathExists", "Unit"},
    "Install": {"WantedBy"},
}
_FIELD = r"(?:\*|\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)(?:/\d+)?"


def run(program: str, *arguments: str | Path) -> None:
    """Fail unless a program ends well."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    assert found is not None, f"{program} is not installed"
    command = [found, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_systemd(name: str, text: str, place: Place) -> None:
    """Fail unless a unit has sections and directives that systemd knows, and commands that can be run."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the library's documentation has it
    parser.read_string(text)
    for section in parser.sections():
        assert set(parser[section]) <= _DIRECTIVES[section], f"{name}: {section}"
        if "OnCalendar" in parser[section] and shutil.which("systemd-analyze"):
            run("systemd-analyze", "calendar", parser[section]["OnCalendar"])
    for line in re.findall(r"^Exec\w+=[-+!@:]*(.*)$", text, re.MULTILINE):
        shell.check(line)
    if shutil.which("systemd-analyze") and "Unit" in parser:
        runnable = re.sub(r"^(Exec\w+=[-+!]*)\S+", r"\1/bin/true", text, flags=re.MULTILINE)
        unit = place.folder / "units" / name
        unit.parent.mkdir(exist_ok=True)
        unit.write_text(runnable)
        started = unit.with_suffix(".service")
        if not started.exists():
            started.write_text("[Service]\nExecStart=/bin/true\n")
        run("systemd-analyze", "verify", "--man=no", unit)


def check_cron(text: str, *, with_user: bool) -> None:
    """Fail unless every line has five fields that cron takes, and a command."""
    for line in text.splitlines():
        if not line or line.startswith("#") or re.match(r"[A-Z_]+=", line):
            continue
        match = re.fullmatch(rf"((?:{_FIELD} +){{5}}){r'(?:[a-z_-]+ +)' if with_user else ''}(.*)", line)
        assert match is not None, f"cron does not take {line!r}"
        assert "%" not in match[2].replace("\\%", ""), "cron takes % for the end of a line"
        shell.check(match[2].replace("\\%", "%"))


def check_sh(text: str) -> None:
    """Fail unless a shell can read a script, and knows what it calls."""
    run("bash" if text.startswith("#!/bin/bash") else "sh", "-nc", text)
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line and not line.lstrip().startswith("#"):
            shell.check(line)


def check_nginx(text: str, place: Place) -> None:
    """Fail unless nginx takes it, wrapped into what is around such lines."""
    text = place.here(text)
    context = _outermost(text)
    if context == "location":
        text = f"server {{ listen 80;\n{text}\n}}"
    if context in {"location", "server"}:
        text = f"http {{\n{text}\n}}"
    modules = "\n".join(
        f'load_module "{each}";' for each in Path("/usr/lib/nginx/modules").glob("ngx_stream_module.so")
    )
    listen = re.compile(r"listen (\S+?:)?(\d+)")
    self_signed(place, text)
    with ReservedPorts(len(listen.findall(text))) as reserved:
        ports = iter(reserved.numbers)
        text = listen.sub(lambda _: f"listen 127.0.0.1:{next(ports)}", text)
        log = place.folder / "nginx.log"
        configuration = place.folder / "nginx.conf"
        configuration.write_text(f"{modules}\npid {place.folder}/nginx.pid;\nerror_log {log};\nevents {{}}\n{text}\n")
        run("nginx", "-t", "-p", place.folder, "-c", configuration, "-e", log)


def _outermost(text: str) -> str:
    match = re.search(r"^(http|stream|server|location)\b", text, re.MULTILINE)
    assert match is not None, "an nginx block begins with http, stream, server or location"
    return match[1]


def check_apache(text: str) -> None:
    """Fail unless every section of an Apache configuration ends, the innermost first."""
    begun: list[str] = []
    for end, name in re.findall(r"^\s*<(/?)(\w+)", text, re.MULTILINE):
        if end:
            assert begun.pop() == name
        else:
            begun.append(name)
    assert not begun


def check_haproxy(text: str, place: Place) -> None:
    """Fail unless HAProxy takes it."""
    text = place.here(text)
    self_signed(place, text)
    configuration = place.folder / "haproxy.cfg"
    seconds = "defaults\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\n"
    configuration.write_text(seconds + text)
    run("haproxy", "-c", "-q", "-f", configuration)


def self_signed(place: Place, text: str) -> None:
    """Write a certificate and its key to wherever a configuration wants one."""
    made = place.folder / "self-signed.pem"
    wanted = re.findall(rf"{re.escape(str(place.folder))}/root/[\w./-]+(?:\.pem|/(?=\n))", text)
    for path in [Path(each + "site.pem" if each.endswith("/") else each) for each in wanted]:
        if not made.exists():
            key = place.folder / "self-signed.key"
            command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=example.com"
            run(*command.split(), "-keyout", key, "-out", made)
            made.write_bytes(key.read_bytes() + made.read_bytes())
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(made.read_bytes())
