"""What a program is told, in the styles of lego and of certbot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acmez.dns import ZoneRecord
from acmez.protocols import Challenge

_LONGEST_OUTPUT = 100_000  # bytes; Linux takes no longer variable than 128 KiB


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a program.

    Attributes:
        action: "present" or "cleanup", as lego has it.
        all: the challenges that are handled together.
        remaining: how many of them come after this one.
        output: what the program wrote when it presented.
    """

    action: str
    challenge: Challenge
    record: ZoneRecord
    all: tuple[Challenge, ...]
    remaining: int
    output: str = ""


def command_for(style: str, call: Call) -> Sequence[str]:
    """Return the arguments of a call."""
    match style:
        case "lego":
            return [call.action, f"{call.record.name}.", call.record.value]
        case "lego-raw":
            challenge = call.challenge
            return [call.action, "--", challenge.identifier.value, challenge.token or "", challenge.key_authorization]
        case _:
            return []


def environment_for(style: str, call: Call) -> Mapping[str, str]:
    """Return what a call adds to the environment: acmez's own variables, and those of the style."""
    own = {
        "ACMEZ_ACTION": call.action,
        "ACMEZ_CHALLENGE_TYPE": str(call.challenge.type),
        "ACMEZ_IDENTIFIER": call.challenge.identifier.value,
        "ACMEZ_RECORD_NAME": call.record.name,
        "ACMEZ_RECORD_VALUE": call.record.value,
    }
    if style == "lego":
        own["ACMEZ_ZONE"] = call.record.zone
    return {**own, **_certbot(call)} if style == "certbot" else own


def _certbot(call: Call) -> Mapping[str, str]:
    identifier = call.challenge.identifier.value
    every = ",".join(challenge.identifier.value for challenge in call.all)
    variables = {
        "CERTBOT_DOMAIN": identifier,
        "CERTBOT_IDENTIFIER": identifier,
        "CERTBOT_VALIDATION": call.record.value,
        "CERTBOT_ALL_DOMAINS": every,
        "CERTBOT_ALL_IDENTIFIERS": every,
        "CERTBOT_REMAINING_CHALLENGES": str(call.remaining),
    }
    if call.action == "cleanup":
        variables["CERTBOT_AUTH_OUTPUT"] = call.output.encode()[:_LONGEST_OUTPUT].decode("utf-8", "ignore")
    return variables
