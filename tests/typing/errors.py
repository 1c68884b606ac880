"""What type checkers know of an error that a program has caught. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

import trivet


def an_answer_that_says_no(error: trivet.NotFoundError) -> None:
    assert_type(error.status, int)
    assert_type(error.response, trivet.Response)
    assert_type(error.message, str)
    assert_type(error.request_id, str | None)
    assert_type(error.retry_after, float | None)
    refused: trivet.APIError = error
    assert_type(refused.status, int)


def no_answer_at_all(error: trivet.ConnectTimeout) -> tuple[TimeoutError, trivet.ConnectError]:
    assert_type(error.sent, bool)
    # Whoever handles timeouts in general, or failures to connect, handles this one too.
    return error, error


def permission_is_a_part_of_authentication(error: trivet.PermissionDeniedError) -> trivet.AuthenticationError:
    return error
