"""The solver: its options, and when which program runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from acmez.acme.challenge import ChallengeType
from acmez.acme.challenges import txt_record
from acmez.acme.errors import InputError
from acmez.acme.wire import printable
from acmez.dns import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder, ZoneRecord
from acmez.dns.checks import check_seconds
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge, Handle

from .calling import Call, command_for, environment_for
from .running import Outcome, ProgramError, run


@dataclass
class ExecSolver:
    """Answers DNS challenges with a program of yours, called as lego or certbot call it.

    Attributes:
        program: adds a record; with the styles of lego it also removes it, told by its first argument.
        clean_up_program: removes a record, with certbot's style; none: nothing is removed.
        arguments: put in front of those of the style.
        style: "lego": the program's arguments are "present" or "cleanup", the record's name with a dot at its end, and
            its value; "lego-raw": "present" or "cleanup", "--", the domain, the token, and the key authorization;
            "certbot": it has no arguments but CERTBOT_DOMAIN and CERTBOT_VALIDATION in its environment.
        environment: added to this process's own.
        timeout: seconds after which a program is killed.
        concurrency: how many programs run at once.
        dns: how the zone of a record is found; certbot's style finds none, and follows no aliases.

    Raises:
        ValueError: a value is impossible.
    """

    name: ClassVar[str] = "dns-exec"
    challenge_type: ClassVar[str] = DNS_CHALLENGE_TYPES[0]
    other_types: ClassVar[tuple[str, ...]] = DNS_CHALLENGE_TYPES[1:]

    program: Path
    clean_up_program: Path | None = None
    arguments: list[str] = field(default_factory=list)
    style: Literal["lego", "lego-raw", "certbot"] = "lego"
    environment: dict[str, Secret] = field(default_factory=dict)
    timeout: float = 300.0
    concurrency: int = 1
    dns: DnsOptions = field(default_factory=DnsOptions)

    def __post_init__(self) -> None:
        check_seconds("timeout", self.timeout, most=86400)
        if self.concurrency < 1:
            raise ValueError(f"concurrency: {self.concurrency} programs do nothing")
        if self.clean_up_program is not None and self.style != "certbot":
            raise ValueError(f"clean_up_program: style {self.style!r} has one program for both")
        for name in self.environment:
            if not name or "=" in name or "\0" in name:
                raise ValueError(f"environment: {name!r} cannot be the name of a variable")
        self._finder = RecordFinder(self.dns)

    @classmethod
    def providers(cls) -> Iterable[str]:
        """Whatever a program reaches."""
        return ["exec"]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Let the program add the record; return what it wrote.

        Raises:
            ProgramError: it cannot be started, fails, or takes too long.
            InputError: the style has no way to tell such a challenge.
            DnsError: the zone cannot be found.
            Cancelled: *scope* ended; the program is killed.
        """
        return self.present_many([challenge], scope)[0]

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        """Let the program add one record after the other."""
        records = self._find(challenges, scope)
        handles: list[Handle | None] = []
        for index, (challenge, record) in enumerate(zip(challenges, records, strict=True)):
            call = Call("present", challenge, record, tuple(challenges), len(challenges) - index - 1)
            outcome = self._run(self.program, call, scope)
            handles.append(record.handle(output=outcome.output.strip()))
        return handles

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Let the program remove the record; raises like `present`."""
        self.clean_up_many([challenge], [handle], scope)

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        """Let the program remove one record after the other; one that fails does not keep the others."""
        program = self.clean_up_program if self.style == "certbot" else self.program
        pairs = [
            (challenge, handle)
            for challenge, handle in zip(challenges, handles, strict=True)
            if challenge.type != ChallengeType.DNS_PERSIST_01
        ]
        passing = tuple(challenge for challenge, _ in pairs)
        failures: list[str] = []
        for index, (challenge, handle) in enumerate(pairs):
            record = ZoneRecord.from_handle(handle) if handle is not None else self._find([challenge], scope)[0]
            output = str((handle or {}).get("output", ""))
            call = Call("cleanup", challenge, record, passing, len(pairs) - index - 1, output)
            try:
                if program is not None:
                    self._run(program, call, scope)
            except ProgramError as error:
                failures.append(str(error))
        if failures:
            raise ProgramError("\n".join(failures))

    def _find(self, challenges: Sequence[Challenge], scope: CancelScope) -> list[ZoneRecord]:
        if self.style == "lego":
            return self._finder.find_many(challenges, scope)
        records = [txt_record(challenge) for challenge in challenges]
        for challenge in challenges:
            known = {ChallengeType.DNS_01, ChallengeType.DNS_PERSIST_01} if self.style == "certbot" else {"dns-01"}
            if challenge.type not in known:
                raise InputError(f"{challenge}: style {self.style!r} has no way to tell where the record goes")
        # Where the zone begins is the program's own business.
        return [
            ZoneRecord(challenge.identifier.value, record.name, record.value, record.persistent)
            for challenge, record in zip(challenges, records, strict=True)
        ]

    def _run(self, program: Path, call: Call, scope: CancelScope) -> Outcome:
        command = [str(program.absolute()), *self.arguments, *command_for(self.style, call)]
        environment = {**os.environ, **environment_for(self.style, call), **self.environment}
        outcome = run(command, environment, self.timeout, scope)
        if outcome.status:
            how = f"exit status {outcome.status}" if outcome.status > 0 else f"ended by signal {-outcome.status}"
            raise ProgramError(f"{program}: {how} for {call.record.name!r}{self._told(outcome, call)}")
        return outcome

    def _told(self, outcome: Outcome, call: Call) -> str:
        """What the program said, without our secrets: it may well repeat them."""
        text = (outcome.errors.strip() or outcome.output.strip())[-1000:]
        token = call.challenge.token
        secrets = [*self.environment.values(), *([f"{token}.{call.challenge.thumbprint}", token] if token else [])]
        for secret in secrets:
            text = text.replace(secret, "***") if secret else text
        return f": {printable(text, 1000)}" if text else ""
