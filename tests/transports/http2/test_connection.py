from __future__ import annotations

from transports.http2.stage import Stage


def test_a_request() -> None:
    stage = Stage()
    task = stage.send("/users?page=2", headers={"Accept": "*/*"})
    stage.run()
    assert not task.done
    # The preface and the request leave in one write.
    assert len(stage.server.writes) == 2  # … and the acknowledgement of the server's settings
    assert stage.server.requests == {
        1: {
            ":method": "GET",
            ":scheme": "https",
            ":authority": "api.example.com",
            ":path": "/users?page=2",
            "accept": "*/*",
        }
    }
    assert task.operation.sent is True
    assert not task.operation.answered
    stage.server.answer(1, b"hello", "200", ("content-type", "text/plain"))
    stage.run()
    assert task.result.head == (200, [(b"content-type", b"text/plain")], b"", "HTTP/2")
    assert task.result.content == b"hello"
    assert task.operation.answered
    assert not task.operation.reused
    stage.server.prompt = stage.server.answer
    second = stage.send()
    stage.run()
    assert second.operation.reused
    assert second.result.content == b""
    assert stage.leaked == 0
