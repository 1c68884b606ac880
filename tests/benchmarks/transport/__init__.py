"""What a call costs over a real connection, beside other clients: the parts of `bench_transport.py`."""

from __future__ import annotations
