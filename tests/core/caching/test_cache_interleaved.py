"""Several calls at a time, each of which may be cancelled at any of its actions: nothing is left open, nobody gets anything
that is not his, and nothing is served that nothing permits."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from core.caching.model import Model, Notes, Plan
from core.caching.scenes import Piecemeal, Scene, Step
from core.caching.world import BlockingStore
from trivet.core.caching import stored_body
from trivet.core.errors import TransportError
from trivet.core.exchange.actions import Action, ReadBody
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow
from trivet.core.http.response import Response
from trivet.stores.memory import MemoryStore

# What comes next: most often one action of one call.
CHOICES = [*(["act"] * 24), *(["begin"] * 4), "cancel", "later", "later", "background", "background"]
MAX_CALLS = 6


class Live:
    """A call on its way, its stream, or a flow in the background: one action after the other."""

    def __init__(self, scene: Scene, flow: Flow[Any], step: Step | None, plan: Plan) -> None:
        self.scene = scene
        self.step = step
        self.notes = Notes(plan._replace(latency=0.0))
        self.times = {scene.wall}
        self.response: Response | None = None
        self.pieces: list[bytes] = []
        self.ended = False
        self.follow(flow)

    def follow(self, flow: Flow[Any]) -> None:
        """Go on with another flow."""
        self.exchange: Exchange[Any] = Exchange(flow, rng=Random(0))
        self.take(self.exchange.start(self.scene.now()))

    def act(self) -> None:
        """Perform the next action."""
        scene, exchange = self.scene, self.exchange
        action = exchange.pending
        assert action is not None
        scene.model.notes, scene.asked_at = self.notes, self.asked_at
        self.times.add(scene.wall)
        try:
            try:
                reply = scene.perform(action)
            except Exception as error:
                step = exchange.fail(error, scene.now())
            else:
                step = exchange.receive(reply, scene.now())
        except TransportError:
            # A stream may be read from content that another call replaces.
            from_store = self.response is not None and self.response.from_cache
            assert self.step is None or from_store or None in self.notes.failures
            self.ended = True
            return
        self.times.add(scene.wall)
        self.take(step)

    def take(self, step: Action[Any] | Done[Any]) -> None:
        """Go on after an action."""
        self.asked_at = self.scene.wall
        if not isinstance(step, Done):
            return
        if self.step is None:
            self.ended = True
            return
        if self.response is None:
            self.response = step.result
        elif step.result:
            self.pieces.append(step.result)
        else:
            self.finish(b"".join(self.pieces))
            return
        if self.response.body is None:
            self.finish(self.response.content)
        elif len(self.pieces) == self.step.read:
            self.scene.release(self.response)
            self.finish(None)
        else:
            self.follow(self.scene.piece_of(self.response))

    def finish(self, content: bytes | None) -> None:
        """Check the answer."""
        step, response, model = self.step, self.response, self.scene.model
        assert step is not None
        assert response is not None
        self.ended = True
        model.notes = self.notes
        model.check(step.request, self.scene.user(step), response, content, sorted(self.times), also_void=True)

    def cancel(self) -> None:
        """End it where it is, as a driver does."""
        for action in self.exchange.cancel():
            self.scene.perform(action)
        if self.response is not None:
            self.scene.release(self.response)
        self.ended = True


def begin(scene: Scene, random: Random) -> Live:
    step = Step.of(random)
    note(str(step))
    pipeline = scene.pipelines[step.who]
    flow = pipeline.handle(step.request) if step.read is None else pipeline.open(step.request)
    return Live(scene, flow, step, step.plan)


def go_on(scene: Scene, live: list[Live], random: Random) -> None:
    """Have one thing happen."""
    choice = random.choice(CHOICES)
    note(choice)
    if choice == "begin" and len(live) < MAX_CALLS:
        live.append(begin(scene, random))
    elif choice == "background" and scene.spawned:
        live.append(Live(scene, scene.spawned.pop(0).flow, None, Plan.of(random)))
    elif choice == "later" and not any(isinstance(each.exchange.pending, ReadBody) for each in live):
        # While content is read no time passes, since to the cache a response comes with its content.
        scene.later(random.choice([1.0, 15.0, 30.0]))
    elif live:
        one = random.choice(live)
        if choice == "cancel":
            one.cancel()
        else:
            scene.failing = scene.model.store_fails = random.random() < 0.02
            one.act()
            scene.failing = False
    live[:] = [each for each in live if not each.ended]


@settings(max_examples=150)
@given(
    model=st.builds(Model, shared=st.booleans(), ttl=st.sampled_from([None, None, None, 60.0])),
    kind=st.sampled_from([BlockingStore, BlockingStore, Piecemeal, MemoryStore]),
    pieces=st.sampled_from([0, 50]),
    accepts=st.sampled_from([True, True, False]),
    seeds=st.lists(st.integers(0, 2**40), min_size=60, max_size=150),
    rest=st.sampled_from(["run", "cancelled"]),
)
def test_calls_at_the_same_time(
    model: Model, kind: type[MemoryStore], pieces: int, accepts: bool, seeds: list[int], rest: str
) -> None:
    scene = Scene(model, kind, pieces=pieces)
    scene.accepts_spawned = accepts
    live: list[Live] = []
    with pytest.MonkeyPatch.context() as patch:
        # So that of some responses the content is written while it is read.
        patch.setattr(stored_body, "IN_MEMORY", 100)
        for seed in seeds:
            go_on(scene, live, Random(seed))
        for each in live:
            while not each.ended:
                each.act() if rest == "run" else each.cancel()
    assert not scene.open
