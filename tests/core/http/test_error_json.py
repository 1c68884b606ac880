"""What JSON error bodies say, in the shapes that services and frameworks give them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.error_json import message_in_json

SHAPES: dict[str, tuple[Any, str]] = {
    # One member that says it.
    "error": ({"error": "No user with id 7"}, "No user with id 7"),
    "message": ({"message": "Not here", "documentation_url": "https://docs.example.com"}, "Not here"),
    "message after error": (
        {"statusCode": 404, "error": "Not Found", "message": "Cannot GET /x"},
        "Cannot GET /x",
    ),
    "detail": ({"detail": "Not found."}, "Not found."),
    "title": ({"title": "Gone"}, "Gone"),
    "any case": ({"Message": "No HTTP resource was found"}, "No HTTP resource was found"),
    "any style": ({"error-message": "a", "code": "b"}, "a"),
    "google maps": (
        {"error_message": "You must use a key", "status": "REQUEST_DENIED"},
        "You must use a key",
    ),
    "lambda": ({"errorMessage": "division by zero", "errorType": "ZeroDivisionError"}, "division by zero"),
    "okta": (
        {"errorCode": "E0000007", "errorSummary": "Resource not found: user"},
        "Resource not found: user",
    ),
    "twirp": ({"code": "not_found", "msg": "no such hat"}, "no such hat"),
    "couchdb": ({"error": "not_found", "reason": "missing"}, "missing"),
    "zendesk": ({"error": "RecordNotFound", "description": "Not in here"}, "Not in here"),
    "slack": ({"ok": False, "error": "channel_not_found"}, "channel_not_found"),
    "code alone": ({"code": "quota_exceeded", "status": 429}, "quota_exceeded"),
    "aws": ({"__type": "ResourceNotFoundException", "Message": "no such table"}, "no such table"),
    "white space": ({"message": "  spaced \n"}, "spaced"),
    "empty, then another": ({"message": "", "detail": "said here"}, "said here"),
    "null, then another": (
        {"message": None, "error": {"message": None, "type": "limit_error"}},
        "limit_error",
    ),
    "a string": ("just text", "just text"),
    # An object within.
    "google": ({"error": {"code": 404, "message": "Not here.", "status": "NOT_FOUND"}}, "Not here."),
    "stripe": (
        {"error": {"code": "resource_missing", "message": "No such customer: 'c_7'", "param": "id"}},
        "No such customer: 'c_7'",
    ),
    "anthropic": ({"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}, "model: x"),
    "elasticsearch": (
        {"error": {"root_cause": [], "type": "index_not_found_exception", "reason": "no such index [x]"}},
        "no such index [x]",
    ),
    "apigee": (
        {"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}},
        "Invalid ApiKey",
    ),
    "kubernetes": (
        {
            "kind": "Status",
            "message": 'pods "x" not found',
            "reason": "NotFound",
            "details": {"kind": "pods"},
        },
        'pods "x" not found',
    ),
    # Two that belong together.
    "oauth": (
        {"error": "invalid_grant", "error_description": "The code has expired"},
        "invalid_grant: The code has expired",
    ),
    "oauth without a code": ({"error_description": "The code has expired"}, "The code has expired"),
    "problem": (
        {"type": "https://example.com/out", "title": "Out of credit.", "detail": "You have 30, it costs 50."},
        "Out of credit: You have 30, it costs 50.",
    ),
    "problem that repeats itself": ({"title": "Out", "detail": "Out of credit"}, "Out of credit"),
    "problem without a title": ({"title": " ", "detail": "Out of credit"}, "Out of credit"),
    "problem without detail": ({"title": "Out of credit", "detail": ""}, "Out of credit"),
    "asp.net": (
        {"title": "Validation errors occurred.", "status": 400, "errors": {"Name": ["is required."]}},
        "Validation errors occurred: Name: is required.",
    ),
    "invalid params": (
        {
            "title": "Your request is not valid",
            "invalid-params": [{"name": "age", "reason": "must be positive"}],
        },
        "Your request is not valid: age: must be positive",
    ),
    # Lists.
    "list of strings": (
        {"errors": ["Name can't be blank", "Age is too low"]},
        "Name can't be blank; Age is too low",
    ),
    "nest": (
        {"message": ["a must be a number", "b is required"], "error": "Bad Request"},
        "a must be a number; b is required",
    ),
    "jira": ({"errorMessages": ["Issue does not exist"], "errors": {}}, "Issue does not exist"),
    "salesforce": ([{"message": "Session expired", "errorCode": "INVALID_SESSION"}], "Session expired"),
    "github": (
        {
            "message": "Validation Failed",
            "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}],
        },
        "Validation Failed: title: missing_field",
    ),
    "fastapi": (
        {"detail": [{"loc": ["body", "items", 0, "id"], "msg": "Field required", "input": {"secret": "x"}}]},
        "body.items.0.id: Field required",
    ),
    "json:api": (
        {"errors": [{"title": "Invalid", "detail": "is too short", "source": {"pointer": "/data/name"}}]},
        "/data/name: Invalid: is too short",
    ),
    "json:api parameter": (
        {"errors": [{"detail": "is odd", "source": {"parameter": "page"}}]},
        "page: is odd",
    ),
    "json:api header": ({"errors": [{"detail": "is odd", "source": {"header": "Accept"}}]}, "is odd"),
    "graphql": ({"errors": [{"message": "No user", "path": ["user", 0]}], "data": None}, "user.0: No user"),
    "place is the message": ({"errors": [{"name": "NotFound", "message": "NotFound"}]}, "NotFound"),
    "duplicates": ({"errors": [{"message": "busy"}, {"message": "busy"}]}, "busy"),
    "said twice": ({"message": "No user 7", "errors": [{"message": "No user 7"}]}, "No user 7"),
    "said better": ({"message": "No user", "errors": ["No user 7 here"]}, "No user 7 here"),
    "too many": ({"errors": [f"e{number}" for number in range(9)]}, "e0; e1; e2; e3; e4; and 4 more"),
    # Mappings of fields.
    "laravel": (
        {
            "message": "The given data was invalid.",
            "errors": {"email": ["is taken", "is odd"], "name": "is long"},
        },
        "The given data was invalid: email: is taken; is odd; name: is long",
    ),
    "rails": (
        {"errors": {"base": ["Too late"], "name": ["can't be blank"]}},
        "Too late; name: can't be blank",
    ),
    "django": (
        {"name": ["This field is required."], "non_field_errors": ["Passwords differ."]},
        "name: This field is required.; Passwords differ.",
    ),
    "an object called errors": ({"errors": {"message": "busy", "code": 7}}, "busy"),
    "nested fields": ({"errors": {"user": {"message": "is odd"}}}, "user: is odd"),
    # A validator may quote the value, and the value of such a field is a secret.
    "secret field": (
        {"errors": {"password": ["'hunter2' is too short"], "name": ["is long"]}},
        "password: [redacted]; name: is long",
    ),
    # Nothing is said.
    "data": ({"id": 7, "name": "Ada", "tags": ["a", "b"]}, ""),
    "empty object": ({}, ""),
    "empty list": ([], ""),
    "null": (None, ""),
    "number": (7, ""),
    "true": (True, ""),
    "flags": ({"error": True, "success": False}, ""),
    "empty members": ({"error": {}, "errors": [], "message": ""}, ""),
    "odd places": ({"errors": [{"message": "m", "loc": [None, {}]}]}, "m"),
    "too deep": ({"error": {"error": {"error": {"error": {"error": {"message": "deep"}}}}}}, ""),
    "fields too deep": ([[[{"errors": {"name": "odd"}}]]], ""),
}


@pytest.mark.parametrize(("document", "message"), SHAPES.values(), ids=SHAPES)
def test_the_message_is_found(document: Any, message: str) -> None:
    assert message_in_json(document) == message


def test_only_so_many_members_are_looked_at() -> None:
    assert message_in_json({**{f"x{number}": number for number in range(200)}, "message": "late"}) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "message", "detail", "title", "loc", "source", "password"]) | st.text(),
            inner,
        )
    ),
)


@given(JSON)
def test_any_document_is_read(document: Any) -> None:
    assert isinstance(message_in_json(document), str)
