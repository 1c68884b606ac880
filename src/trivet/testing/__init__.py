"""Tools for testing what is built on Trivet, without a network and without waiting."""

from __future__ import annotations

from trivet.patterns.waiting import no_waiting
from trivet.testing.clock import VirtualClock
from trivet.testing.playbook import Playbook
from trivet.testing.recorder import ActionRecorder
from trivet.testing.stores import check_store, store_checks
from trivet.testing.transport import After, Reply, ScriptedTransport, Streamed

__all__ = [
    "ActionRecorder",
    "After",
    "Playbook",
    "Reply",
    "ScriptedTransport",
    "Streamed",
    "VirtualClock",
    "check_store",
    "no_waiting",
    "store_checks",
]
