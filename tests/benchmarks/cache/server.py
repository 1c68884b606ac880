"""The origin: it allows everything to be kept for an hour, and says how many requests it has seen."""

from __future__ import annotations

import json

from transport.server import DATE, Connection, head, main

SIZE = 1024


def catalogue() -> dict[str, object]:
    """What JSON of 1 KiB may look like."""
    items = [
        {
            "id": 1000 + number,
            "name": f"Trivet no. {number}, cast iron",
            "price": {"amount": f"{12 + number}.90", "currency": "EUR"},
            "tags": ["kitchen", "iron"],
            "stock": 7 * number,
        }
        for number in range(6)
    ]
    content: dict[str, object] = {"items": items, "page": 1, "next": None, "note": ""}
    content["note"] = "x" * (SIZE - len(json.dumps(content)))
    return content


CATALOGUE = catalogue()
CONTENT = json.dumps(CATALOGUE).encode()
MAY_BE_KEPT = b'Cache-Control: max-age=3600\r\nETag: "6f1c0e9a2b7d4c35"\r\n'
FOUND = head(b"200 OK", len(CONTENT), more=MAY_BE_KEPT)
VARYING = FOUND + b"Vary: Accept, Accept-Encoding\r\n"


class Origin(Connection):
    """One connection to the origin."""

    seen = 0

    def answer(self, request: bytes) -> None:
        """Answer at once."""
        target = request.split(b" ", 2)[1]
        if target == b"/seen":
            number = b"%d" % Origin.seen
            self.transport.write(head(b"200 OK", len(number)) + DATE.line + b"\r\n" + number)
        elif target.startswith((b"/item", b"/varying")):
            Origin.seen += 1
            self.transport.write((VARYING if target == b"/varying" else FOUND) + DATE.line + b"\r\n" + CONTENT)
        else:
            super().answer(request)


if __name__ == "__main__":
    main(Origin)
