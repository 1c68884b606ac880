"""Which engine a test of the transports runs on."""

from __future__ import annotations

import pytest

from brief import BRIEF
from transports import calling


@pytest.fixture(params=calling.ENGINES[:1] if BRIEF else calling.ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Trivet's own connections, and the pools of both libraries, one after the other."""
    name: str = request.param
    monkeypatch.setattr(calling, "current_engine", name)
    return name


@pytest.fixture(params=calling.ENGINES[:1] if BRIEF else calling.ENGINES[:2])
def engine_of_ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Those that take all settings: Trivet's own connections, and the pools of httpcore that it makes."""
    name: str = request.param
    monkeypatch.setattr(calling, "current_engine", name)
    return name
