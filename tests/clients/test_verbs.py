"""What the verbs send and return, against httpbin and nginx."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest

import trivet
from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import read_head, read_request, send
from servers.httpbin import Httpbin
from servers.nginx import HELLO, RECORDS, Nginx


@dataclass
class Record:
    id: int
    name: str


class Echo(TypedDict):
    method: str
    json: dict[str, Any]


def test_get_returns_the_decoded_json(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:
            assert await client.get("/records.json") == RECORDS

    runtime.run(scenario)


def test_an_empty_body_is_none(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            assert await client.get("/status/204") is None
            assert await client.head("/get") is None
            assert await client.options("/get") is None

    runtime.run(scenario)


def test_raw_gives_the_whole_response(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:
            response = await client.raw.get("/hello.txt")
        assert (response.status, response.reason, response.content) == (200, "OK", HELLO)
        assert response.text == HELLO.decode()
        assert response.headers["content-type"] == "text/plain"
        assert response.url == response.request.url == f"{nginx.url}/hello.txt"
        assert response.elapsed > 0
        assert response.from_cache is False
        assert [attempt.status for attempt in response.trace.attempts] == [200]

    runtime.run(scenario)


def test_raw_head_has_the_fields_and_no_content(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:
            response = await client.raw.head("/hello.txt")
        assert response.headers["Content-Length"] == str(len(HELLO))
        assert response.content == b""

    runtime.run(scenario)


@pytest.mark.parametrize("verb", ["get", "options", "delete", "post", "put", "patch"])
def test_raw_has_the_same_verbs(runtime: Runtime, hostile: MakeHostile, verb: str) -> None:
    server = hostile([read_request, send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"), read_head])

    async def scenario() -> None:
        async with runtime.client(server.url) as client:
            response = await getattr(client.raw, verb)("/x")
            assert response.json() is True

    runtime.run(scenario)
    assert server.requests[0].startswith(f"{verb.upper()} /x HTTP/1.1".encode())


def test_raw_takes_any_method_and_content(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            assert client.base_url == httpbin.url + "/"
            echo = (await client.raw.request("DELETE", "/anything", [1])).json()
            assert (echo["method"], echo["json"]) == ("DELETE", [1])
            assert (await client.delete("/anything"))["method"] == "DELETE"

    runtime.run(scenario)


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_a_positional_body_is_json(runtime: Runtime, httpbin: Httpbin, verb: str) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            echo = await getattr(client, verb)("/anything", {"name": "Ada"})
        assert echo["method"] == verb.upper()
        assert echo["json"] == {"name": "Ada"}
        assert echo["headers"]["Content-Type"] == "application/json"

    runtime.run(scenario)


def test_null_is_a_body_and_no_body_is_none(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            assert (await client.post("/anything", None))["data"] == "null"
            assert (await client.post("/anything"))["data"] == ""

    runtime.run(scenario)


def test_request_takes_any_method(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            echo = await client.request("DELETE", "/anything", {"really": True})
            assert (await client.delete("/anything"))["method"] == "DELETE"
        assert (echo["method"], echo["json"]) == ("DELETE", {"really": True})

    runtime.run(scenario)


def test_params_path_and_headers(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url, params={"v": 1}, headers={"X-Team": "red"}) as client:
            echo = await client.get(
                "/anything/{name}?first=1",
                path={"name": "a/b c"},
                params={"tag": ["x", "y"], "none": None},
                headers={"X-Own": "1"},
            )
        assert echo["args"] == {"first": "1", "v": "1", "tag": ["x", "y"]}
        assert echo["url"].startswith(f"{httpbin.url}/anything/")
        assert (echo["headers"]["X-Team"], echo["headers"]["X-Own"]) == ("red", "1")
        assert echo["headers"]["User-Agent"] == f"trivet/{trivet.__version__}"

    runtime.run(scenario)


def test_into_decodes_into_types(runtime: Runtime, nginx: Nginx, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:
            records = await client.get("/records.json", into=list[Record])
            assert records[7] == Record(7, "record 7")
            assert await client.get("/hello.txt", into=bytes) == HELLO
        async with runtime.client(httpbin.url) as client:
            echo = await client.post("/anything", {"a": 1}, into=Echo)
            assert (echo["method"], echo["json"]) == ("POST", {"a": 1})
            with pytest.raises(trivet.DecodingError, match=r"\$.*id"):
                await client.get("/anything", into=Record)

    runtime.run(scenario)


def test_a_type_that_nothing_decodes_into_is_refused_before_sending(runtime: Runtime) -> None:
    async def scenario() -> None:
        async with runtime.client("http://127.0.0.1:9") as client:
            with pytest.raises(trivet.InvalidRequest, match="into"):
                await client.post("/", {}, into=open)

    runtime.run(scenario)


def test_what_is_not_json_says_so(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:
            with pytest.raises(trivet.DecodingError, match=r"hello\.txt.*text/plain") as caught:
                await client.get("/hello.txt")
        assert caught.value.trace is not None

    runtime.run(scenario)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_content_codings_are_removed(runtime: Runtime, httpbin: Httpbin, coding: str) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            assert (await client.get(f"/{coding}"))["method"] == "GET"

    runtime.run(scenario)


def test_forms_files_and_content(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            echo = await client.post("/anything", form={"a": "1 2", "b": ["x", "y"]})
            assert echo["form"] == {"a": "1 2", "b": ["x", "y"]}
            echo = await client.post("/anything", files={"f": ("a.txt", b"data")}, form={"note": "hi"})
            assert (echo["files"], echo["form"]) == ({"f": "data"}, {"note": "hi"})
            echo = await client.post("/anything", files={"f": io.BytesIO(b"from a file")})
            assert echo["files"] == {"f": "from a file"}
            assert (await client.post("/anything", content="text"))["data"] == "text"
            echo = await client.put("/anything", content=(piece for piece in (b"one ", b"two")))
            assert echo["data"] == "one two"

    runtime.run(scenario)


def test_asynchronous_content(httpbin: Httpbin, runtime: Runtime) -> None:
    async def pieces() -> Any:
        yield b"one "
        yield b"two"

    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:
            if runtime.name == "sync":
                with pytest.raises(trivet.InvalidRequest, match="AsyncClient"):
                    await client.post("/anything", content=pieces())
            else:
                assert (await client.post("/anything", content=pieces()))["data"] == "one two"

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, trivet.BadRequestError),
        (401, trivet.AuthenticationError),
        (403, trivet.PermissionDeniedError),
        (404, trivet.NotFoundError),
        (409, trivet.ConflictError),
        (418, trivet.APIError),
        (422, trivet.UnprocessableError),
        (429, trivet.RateLimitError),
        (500, trivet.ServerError),
        (503, trivet.ServerError),
    ],
)
def test_a_status_of_400_or_more_raises(
    runtime: Runtime, httpbin: Httpbin, status: int, error: type[trivet.APIError]
) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url, retry=0) as client:
            target = f"/status/{status}"
            with pytest.raises(trivet.APIError, match=f"GET {httpbin.url}{target}: {status}") as caught:
                await client.get(target)
            assert type(caught.value) is error
            assert caught.value.status == caught.value.response.status == status
            with pytest.raises(error):
                await client.raw.get(target)
            with pytest.raises(error):
                async with client.stream("GET", target):
                    pytest.fail("a stream raises before its block")
            assert (await client.raw.get(target, raise_for_status=False)).status == status
            lenient = client.with_options(raise_for_status=False)
            assert (await lenient.raw.get(target)).status == status

    runtime.run(scenario)


def test_one_client_serves_many_at_once(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url) as client:

            async def call(number: int) -> Any:
                return (await client.get("/anything", params={"n": number}))["args"]["n"]

            calls = [lambda number=number: call(number) for number in range(32)]
            assert await runtime.together(*calls) == [str(number) for number in range(32)]

    runtime.run(scenario)


def test_tls_is_verified(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.tls_url, verify=str(nginx.ca_pem)) as client:
            assert "TLSv1" in (await client.raw.get("/protocol")).text
        async with runtime.client(nginx.tls_url) as client:
            with pytest.raises(trivet.ConnectError, match="certificate") as caught:
                await client.get("/protocol")
            assert caught.value.sent is False
            assert len(caught.value.trace.attempts) == 1
        async with runtime.client(nginx.tls_url, verify=False) as client:
            assert (await client.raw.get("/hello.txt")).content == HELLO

    runtime.run(scenario)
