"""Which asynchronous runtime is the caller in?"""

from __future__ import annotations

import sys
from typing import Literal

from trivet.transports.runtime import in_trio


def current_runtime() -> Literal["asyncio", "trio"]:
    """The runtime whose task is calling.

    It imports neither: a runtime that nobody has imported cannot be running. In trio's guest mode, on top of
    asyncio, the answer is that of the task that asks.

    Raises `RuntimeError` outside both.

    >>> import asyncio
    >>> async def main():
    ...     return current_runtime()
    >>> asyncio.run(main())
    'asyncio'
    """
    if in_trio():
        return "trio"
    # getattr, because another thread may be in the middle of importing the module.
    get_running_loop = getattr(sys.modules.get("asyncio"), "get_running_loop", None)
    if get_running_loop is not None:
        try:
            get_running_loop()
        except RuntimeError:
            pass
        else:
            return "asyncio"
    raise RuntimeError(
        "neither asyncio nor trio is running here: await this inside asyncio.run(…) or trio.run(…), "
        "or use the synchronous counterpart"
    )
