"""Bodies that are read through a flow."""

from __future__ import annotations

import pytest

from trivet.core.exchange.bodies import FlowBody, handle_to_close


def test_a_body_of_ones_own_must_say_how_it_is_read_and_let_go() -> None:
    body = FlowBody()
    assert body.handle is None
    with pytest.raises(NotImplementedError):
        body.read(0.0)
    with pytest.raises(NotImplementedError):
        body.release()


def test_a_body_of_the_transport_is_its_own_handle() -> None:
    body = object()
    assert handle_to_close(body) is body
