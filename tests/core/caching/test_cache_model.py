"""Whatever comes in whatever order, the cache answers with nothing that was not permitted, and to nobody else."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from core.caching.model import Model, Notes, Plan
from core.caching.scenes import CHANGES, Piecemeal, Scene, Step
from core.caching.world import BlockingStore
from trivet.core.caching import stored_body
from trivet.core.errors import TransportError
from trivet.core.http.response import Response
from trivet.stores.memory import MemoryStore

# Steps are made of numbers, since to draw everything in them would take ten times as long.
SEEDS = st.lists(st.integers(0, 2**40), min_size=20, max_size=60)


def read(scene: Scene, response: Response, pieces: int) -> bytes | None:
    """The content; None if it has more than so many pieces."""
    if response.body is None:
        return response.content
    found: list[bytes] = []
    while len(found) < pieces:
        data = scene.run(scene.piece_of(response))
        if not data:
            return b"".join(found)
        found.append(data)
    scene.release(response)
    return None


def take(step: Step, scene: Scene) -> None:
    """Make a call, and check its answer."""
    model, request = scene.model, step.request
    model.notes = Notes(step.plan)
    try:
        if step.read is None:
            response: Response = scene.run(scene.pipelines[step.who].handle(request))
            content: bytes | None = response.content
        else:
            response = scene.run(scene.pipelines[step.who].open(request))
            content = read(scene, response, step.read)
    except TransportError:
        # A store that fails while a stream is read from it is the one thing that a cache adds to what may fail.
        assert None in model.notes.failures or (scene.failing and step.read is not None)
    else:
        model.check(request, scene.user(step), response, content, [scene.wall])
    assert not scene.open


@settings(max_examples=200)
@given(
    model=st.builds(Model, shared=st.booleans(), ttl=st.sampled_from([None, None, None, 60.0])),
    fields=st.booleans(),
    pieces=st.sampled_from([0, 0, 50]),
    kind=st.sampled_from([BlockingStore, BlockingStore, Piecemeal, MemoryStore]),
    accepts=st.sampled_from([True, True, False]),
    seeds=SEEDS,
)
def test_nothing_is_served_that_nothing_permits(
    model: Model, fields: bool, pieces: int, kind: type[MemoryStore], accepts: bool, seeds: list[int]
) -> None:
    names = ["Accept-Language"] if fields and model.ttl is not None else []
    scene = Scene(model, kind, pieces=pieces, fields=names)
    scene.accepts_spawned = accepts
    with pytest.MonkeyPatch.context() as patch:
        # So that of some responses the content is written while it is read.
        patch.setattr(stored_body, "IN_MEMORY", 100)
        for seed in seeds:
            random = Random(seed)
            change, step, background = random.choice(CHANGES), Step.of(random), random.random() < 0.5
            note(f"{change}, {step}")
            scene.change(change)
            if scene.spawned and background:
                model.notes = Notes(Plan.of(random))
                scene.in_background()
            take(step, scene)
