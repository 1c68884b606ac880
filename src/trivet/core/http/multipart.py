"""Forms with files: multipart/form-data (RFC 7578)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from trivet.core.errors import InvalidRequest
from trivet.core.http.form import form_pairs
from trivet.core.http.kinds import ANY_MAPPING, ARRAY, LIST, TEXT, TUPLE
from trivet.core.http.sources import PATH, ContentInput, as_content
from trivet.core.http.stream import Stream

if TYPE_CHECKING:
    from trivet.core.http.form import FormInput

FileInput: TypeAlias = ContentInput | tuple[str, ContentInput] | tuple[str, ContentInput, str | None]
FilesInput: TypeAlias = Mapping[str, FileInput | list[FileInput]] | Iterable[tuple[str, FileInput | list[FileInput]]]
"""What ``files=`` takes: fields by name, each a file, ``(filename, file)``, ``(filename, file, media type)``,
or a list of those."""

# Up to this size a form that is in memory anyway is joined, so that it can leave in one write with its head.
_JOINED = 65536


def encode_multipart(
    files: FilesInput, form: FormInput | None = None, *, boundary: str | None = None
) -> tuple[bytes | Stream, str]:
    """The content and its Content-Type for form fields and files; the fields come first.

    Files are bytes, binary file objects, paths, or any other content that is not asynchronous. Text needs a
    filename, ``("notes.txt", "text")``, since a bare string could just as well be meant as a path. A filename
    that is not given is that of the file or else the name of the field; a media type that is not given is
    guessed from the filename.

    The result is a `Stream` that reads files while it is sent; its length is known if that of each file is.
    The ``boundary`` is 128 random bits of the operating system unless it is given: no decision depends on
    it, so that it needs no seed.

    >>> content, content_type = encode_multipart({"doc": ("a.txt", b"hi")}, {"n": 1}, boundary="xyz")
    >>> print(content.decode().replace("\\r", ""))
    --xyz
    Content-Disposition: form-data; name="n"
    <BLANKLINE>
    1
    --xyz
    Content-Disposition: form-data; name="doc"; filename="a.txt"
    Content-Type: text/plain
    <BLANKLINE>
    hi
    --xyz--
    <BLANKLINE>
    """
    if boundary is None:
        boundary = os.urandom(16).hex()
    parts: list[bytes | Stream] = []
    for name, text in form_pairs(form or ()):
        parts += _head(boundary, name), text.encode(), b"\r\n"
    for name, value in _pairs(files):
        for file in value if isinstance(value, LIST) else [value]:
            head, content = _file_part(boundary, name, file)
            parts += head, content, b"\r\n"
    parts.append(f"--{boundary}--\r\n".encode())
    return _assemble(parts), f"multipart/form-data; boundary={boundary}"


def _pairs(files: Any) -> Iterator[tuple[str, Any]]:
    pairs = files.items() if isinstance(files, ANY_MAPPING) else files
    for pair in pairs if hasattr(pairs, "__iter__") else (pairs,):
        if not isinstance(pair, ARRAY) or len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidRequest("files is a mapping of names to files, or a list of (name, file) pairs")
        yield pair[0], pair[1]


def _file_part(boundary: str, field: str, file: Any) -> tuple[bytes, bytes | Stream]:
    filename: str | None = None
    media_type: str | None = None
    if isinstance(file, TUPLE):
        if len(file) not in (2, 3) or not isinstance(file[0], str):
            raise InvalidRequest(f"files[{field!r}]: a tuple is (filename, content[, media type])")
        filename, file, media_type = (*file, None)[:3]
    elif isinstance(file, str):
        raise InvalidRequest(
            f"files[{field!r}]: is the string a path or the content? Give pathlib.Path(…) or (filename, text)"
        )
    if hasattr(file, "__aiter__"):
        raise InvalidRequest(f"files[{field!r}]: a file in a form cannot be an asynchronous iterator")
    try:
        content = as_content(file)
    except InvalidRequest as error:
        raise InvalidRequest(f"files[{field!r}]: {error.message}") from error
    if filename is None:
        filename = _filename(file) or field
    media_type = media_type or guess_media_type(filename)
    if not isinstance(media_type, TEXT) or not media_type.isascii() or not media_type.isprintable():
        raise InvalidRequest(f"files[{field!r}]: the media type is not text of printable ASCII characters")
    return _head(boundary, field, filename, media_type), content


def _filename(file: Any) -> str | None:
    """The name that a path or an open file goes by; not that of a descriptor or of something like <stdin>."""
    name = file if isinstance(file, PATH) else getattr(file, "name", "")
    try:
        base = os.path.basename(os.fsdecode(name))
    except TypeError:
        return None
    return None if base.startswith("<") else base


def guess_media_type(filename: str) -> str:
    """The media type that goes with the filename's extension.

    >>> guess_media_type("photo.png"), guess_media_type("data.tar.gz"), guess_media_type("data")
    ('image/png', 'application/gzip', 'application/octet-stream')
    """
    from mimetypes import guess_type

    media_type, compression = guess_type(filename)
    if compression is not None:
        # guess_type reads data.tar.gz as a tar file that is compressed on the way; it is a gzip file.
        media_type = "application/gzip" if compression == "gzip" else None
    return media_type or "application/octet-stream"


def _head(boundary: str, name: str, filename: str | None = None, media_type: str | None = None) -> bytes:
    lines = f'--{boundary}\r\nContent-Disposition: form-data; name="{_escape(name)}"'
    if filename is not None:
        lines += f'; filename="{_escape(filename)}"\r\nContent-Type: {media_type}'
    try:
        return f"{lines}\r\n\r\n".encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest("a name in the form is not valid Unicode: it has a lone surrogate") from error


def _escape(name: str) -> str:
    """As the HTML standard's multipart/form-data encoding says; RFC 7578 §4.2 allows no ``filename*``."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _assemble(parts: list[bytes | Stream]) -> bytes | Stream:
    streams = [part for part in parts if isinstance(part, Stream)]
    sizes = [part.length if isinstance(part, Stream) else len(part) for part in parts]
    known = [size for size in sizes if size is not None]
    length = sum(known) if len(known) == len(sizes) else None
    if not streams and length is not None and length <= _JOINED:
        return b"".join(part for part in parts if isinstance(part, bytes))

    def chunks() -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, Stream):
                yield from part.chunks()
            else:
                yield part

    return Stream(
        chunks,
        length=length,
        replayable=all(stream.replayable for stream in streams),
        blocking=any(stream.blocking for stream in streams),
    )
