"""``trivet get|post|… URL``: one call from the command line."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.syntax import Syntax

from trivet.cli.exit_codes import exit_code
from trivet.cli.timeline import print_trace
from trivet.clients.sync import Client
from trivet.core.errors import APIError, DecodingError, TrivetError
from trivet.core.http.media_type import content_type
from trivet.core.http.response import Response
from trivet.core.http.unset import UNSET
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.retry import Retry
from trivet.stores.cache import Cache
from trivet.stores.sqlite import SQLiteStore

VERBS = ("get", "head", "options", "delete", "post", "put", "patch")

OPTIONS = (
    click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A field to send. Repeatable."),
    click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A query parameter. Repeatable."),
    click.option("-t", "--timeout", type=float, default=60.0, show_default=True, help="Seconds for the whole call."),
    click.option("-r", "--retries", type=int, default=3, show_default=True, help="How often a failure is retried."),
    click.option("--redirects", type=int, default=10, show_default=True, help="How many redirects are followed."),
    click.option("--token", envvar="TRIVET_TOKEN", help="A bearer token; better set as TRIVET_TOKEN."),
    click.option("--ca", type=click.Path(exists=True), help="A file of CA certificates to trust."),
    click.option("--insecure", is_flag=True, help="Do not verify the server's certificate."),
    click.option("-i", "--include", is_flag=True, help="Print the status and the fields of the response, too."),
    click.option("-o", "--output", type=click.File("wb", lazy=True), help="Write the content to a file, as it comes."),
    click.option(
        "--cache",
        type=click.Path(dir_okay=False),
        help="Keep responses in this SQLite file, and answer from it (RFC 9111).",
    ),
    click.option("--trace", is_flag=True, help="Print what happened when, and why, to standard error."),
    click.option("--debug", is_flag=True, help="Log headers and bodies, redacted, to standard error."),
)
CONTENT_OPTIONS = (
    click.option("-j", "--json", "json_text", metavar="JSON", help="JSON content; - reads standard input."),
    click.option("-f", "--form", "form", multiple=True, metavar="NAME=VALUE", help="A form field. Repeatable."),
    click.option("-d", "--data", type=click.File("rb"), help="Content from a file; - reads standard input."),
)


def call_command(verb: str) -> click.Command:
    """The command of one verb."""

    def run(url: str, **options: Any) -> None:
        sys.exit(call(verb.upper(), url, **options))

    run.__doc__ = f"""{verb.upper()} the URL and print the content.

    Exit codes: 0 success, 2 wrong use, 3 network, 4 a 4xx status, 5 a 5xx status, 6 out of time, 7 content that
    cannot be used, 8 a redirect that was refused.
    """
    decorated: Any = run
    for option in reversed(OPTIONS + (CONTENT_OPTIONS if verb in ("post", "put", "patch") else ())):
        decorated = option(decorated)
    return click.command(verb)(click.argument("url")(decorated))


def call(method: str, url: str, **options: Any) -> int:
    """Make the call, print what came of it, and return the exit code."""
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    content = _content(options)
    trace = None
    try:
        with _client(options) as client:
            arguments: dict[str, Any] = {
                "headers": _pairs(options["headers"], ":", "--header NAME:VALUE"),
                "params": _pairs(options["params"], "=", "--param NAME=VALUE"),
                **content,
            }
            with client.stream(method, url, **arguments) as response:
                trace = response.trace
                if options["include"]:
                    _print_head(out, response)
                if options["output"] is not None:
                    for piece in response.iter_bytes():
                        options["output"].write(piece)
                else:
                    response.read()
                    _print_content(out, response)
    except TrivetError as error:
        trace = error.trace or trace
        err.print(f"{type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True)
        if isinstance(error, APIError):
            _print_content(out, error.response)
        return exit_code(error)
    finally:
        if options["trace"]:
            print_trace(err, trace)
    return 0


def _client(options: dict[str, Any]) -> Client:
    return Client(
        auth=BearerAuth(options["token"]) if options["token"] else None,
        timeout=options["timeout"],
        retry=Retry(max_retries=options["retries"]),
        redirects=options["redirects"],
        verify=False if options["insecure"] else options["ca"] or True,
        cache=Cache(SQLiteStore(options["cache"])) if options["cache"] else None,
        debug=options["debug"],
    )


def _content(options: dict[str, Any]) -> dict[str, Any]:
    json_text, form, data = (options.get(name) for name in ("json_text", "form", "data"))
    if sum(map(bool, (json_text, form, data))) > 1:
        raise click.UsageError("give one of --json, --form and --data")
    if json_text:
        try:
            return {"json": json.loads(sys.stdin.read() if json_text == "-" else json_text)}
        except ValueError as error:
            raise click.UsageError(f"--json is not JSON: {error}") from None
    if form:
        return {"form": _pairs(form, "=", "--form NAME=VALUE")}
    return {"content": data} if data else {"json": UNSET}


def _pairs(texts: tuple[str, ...], separator: str, expected: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in texts:
        name, found, value = text.partition(separator)
        if not found:
            # The text may be a secret that lost its name, so it is not repeated.
            raise click.UsageError(f"expected {expected}, but there is no {separator!r} in it")
        pairs.append((name.strip(), value.strip() if separator == ":" else value))
    return pairs


def _print_head(console: Console, response: Response) -> None:
    console.print(f"{response.http_version} {response.status} {response.reason}", style="bold", markup=False)
    for name, value in response.headers.items():
        console.print(f"{name}: {value}", style="cyan", markup=False, soft_wrap=True)
    console.print()


def _print_content(console: Console, response: Response) -> None:
    """On a terminal JSON is indented and coloured; a pipe gets the bytes as they are."""
    content = response.content
    if not console.is_terminal:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        console.print(
            Syntax(json.dumps(response.json(), indent=2, ensure_ascii=False), "json", background_color="default")
        )
    except DecodingError:
        if b"\0" in content:
            console.print(f"<{len(content)} bytes of {content_type(response.headers) or 'unknown type'}>", markup=False)
        elif content:
            console.print(response.text, markup=False, soft_wrap=True)
