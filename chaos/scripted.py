"""Runs of acmez against the embedded CA, which makes the faults itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from acmez_testkit import Behaviour, EmbeddedCA
from acmez_testkit.faults import Action, Answer, Delay, Drop, EditHeaders, LoseAnswer, Problem, Truncate

from acmez import Client
from acmez.acme.identifier import Identifier
from acmez.acme.scope import CancelScope
from acmez.keys import generate
from chaos.ours import attempt
from chaos.outcome import Case, Outcome
from chaos.world import Shown, World

#: The protocol's requests and the embedded CA's words for them.
KINDS: Mapping[str, str] = {
    "directory": "directory",
    "newNonce": "new-nonce",
    "newAccount": "new-account",
    "newOrder": "new-order",
    "authorization": "authz",
    "challenge": "challenge",
    "order": "order",
    "finalize": "finalize",
    "certificate": "certificate",
}
_QUICK = Behaviour(validation_attempts=1)


@dataclass(frozen=True, slots=True)
class Script:
    """What one embedded CA does wrong.

    Attributes:
        fault: its name.
        actions: what happens, one after the other, to the requests of one kind.
        times: how often each action happens, at most.
        behaviour: how the CA is otherwise.
        before: what the account has done before.
        orders: how many orders there are without any duplicate.
        no_list: whether the CA's list of orders is not there, though the account names it.
        answers: whether the solver shows anything.
        error: what the error must say if no certificate can be had.
        steps: where the actions make sense.
    """

    fault: str
    actions: tuple[Action, ...] = ()
    times: int = 3
    behaviour: Behaviour = _QUICK
    before: Callable[[Client, list[str]], object] | None = None
    orders: int = 1
    no_list: bool = False
    answers: bool = True
    error: str = ""
    steps: tuple[str, ...] = tuple(KINDS)

    @property
    def late(self) -> float:
        """Seconds after which the CA has acted on whatever it was sent, though nobody waits for it any more."""
        return max((action.seconds for action in self.actions if isinstance(action, Delay)), default=0.0)


class Silent(Shown):
    """A solver that shows nothing."""

    def present(self, challenge: object, scope: object) -> None:
        """Say that it is done."""


def run_scripted(script: Script, case: Case, world: World, seed: int) -> Outcome:
    """Run once against an embedded CA of its own."""
    chosen = random.Random(seed)  # noqa: S311 - a sample has to be repeatable
    names = world.names(chosen.randint(1, 3))
    behaviour = replace(script.behaviour, http_port=world.web.port, seed=seed)
    if behaviour.caa_refused_names:
        behaviour = replace(behaviour, caa_refused_names=frozenset(names[:1]))
    solver = (Shown if script.answers else Silent)(world.web)
    with EmbeddedCA(behaviour) as ca:
        trust = ca.write_trust(world.file("testkit.pem"))
        if script.no_list:
            ca.faults.add("orders", Problem("malformed", status=404), times=None)
        for action in script.actions:
            ca.faults.add(KINDS[case.step], action, times=chosen.randint(1, script.times))
        tried = attempt(ca.directory_url, trust, solver, generate("ec-p256"), names, before=script.before)
        CancelScope().sleep(script.late)
        live = sum(order.status != "invalid" for order in ca.orders)
        return Outcome(
            case=case,
            client="acmez",
            seed=seed,
            error=tried.error,
            seconds=tried.seconds,
            duplicates=max(0, live - script.orders),
            answers=len(solver.left),
            pending=sum(authorization.status == "pending" for authorization in ca.authorizations),
            requests=len(ca.requests),
            struck=sum(seen.kind == KINDS.get(case.step) for seen in ca.requests) if script.actions else None,
        )


def _order_before(client: Client, names: list[str]) -> object:
    return client.acme.new_order(client.account(), [Identifier("dns", name) for name in names])


def scripts() -> Iterator[Script]:
    """Yield every script."""
    yield Script("answer lost", (LoseAnswer(),))
    yield Script("connection closed", (Drop(),))
    yield Script("answer truncated", (Truncate(10),), steps=tuple(step for step in KINDS if step != "newNonce"))
    yield Script("answer late", (Delay(0.3),))
    yield Script("answer too late", (Delay(1.5),), times=1)
    yield Script("500 serverInternal", (Problem("serverInternal", status=500),))
    yield Script("502 with HTML", (Answer(502, "<html>", content_type="text/html"),))
    yield Script("429, Retry-After: 1", (Problem("rateLimited", status=429, headers={"Retry-After": "1"}),), times=1)
    yield Script("badNonce", (Problem("badNonce"),), steps=tuple(KINDS)[2:])
    yield Script("no Replay-Nonce", (EditHeaders(remove=("Replay-Nonce",)),))
    yield Script("500, then the answer lost", (Problem("serverInternal", status=500), LoseAnswer()), times=1)
    yield Script(
        "answer lost by a CA that reuses orders",
        (LoseAnswer(),),
        behaviour=replace(_QUICK, reuse_orders=True),
        steps=("newOrder",),
    )
    yield Script(
        "answer lost by such a CA without a list of orders",
        (LoseAnswer(),),
        behaviour=replace(_QUICK, reuse_orders=True),
        no_list=True,
        steps=("newOrder",),
    )
    yield from _behaviours()


def _behaviours() -> Iterator[Script]:
    the_ca = ("the CA",)
    for share in (0.05, 0.5, 0.9):
        yield Script(f"nonces rejected, {share:.0%}", behaviour=replace(_QUICK, nonce_reject=share), steps=the_ca)
    slow = replace(_QUICK, async_finalize=True, processing_seconds=3)
    yield Script("processing for 3 s", behaviour=slow, steps=the_ca)
    yield Script("processing, no Retry-After", behaviour=replace(slow, retry_after=(None, None)), steps=the_ca)
    yield Script("validation takes 2 s", behaviour=replace(_QUICK, validation_delay=2), steps=the_ca)
    yield Script(
        "order invalid at finalize",
        behaviour=replace(_QUICK, caa_refused_names=frozenset({"of the run"})),
        steps=the_ca,
        error="caa: CAA record",
    )
    yield Script(
        "processing, Retry-After: 86400",
        behaviour=replace(slow, retry_after=(None, 86400)),
        steps=the_ca,
        error="asks to come back in 86400 s",
    )
    yield Script(
        "order and authorizations reused pending",
        behaviour=replace(_QUICK, reuse_orders=True),
        before=_order_before,
        steps=the_ca,
    )
    yield Script(
        "authorizations reused valid",
        behaviour=replace(_QUICK, reuse_authorizations=True),
        before=lambda client, names: client.obtain(names),
        orders=2,
        steps=the_ca,
    )
    yield Script("no answer where the CA looks", answers=False, steps=the_ca, error="validate by http-01")
    yield Script(
        "no answer, and the CA leaves it pending",
        behaviour=replace(_QUICK, leave_failed_pending=True),
        answers=False,
        steps=the_ca,
        error="validate by http-01",
    )
