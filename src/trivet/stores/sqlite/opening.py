"""How a database is opened, and put out of the way if it is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from trivet.stores.sqlite.connections import Connections
from trivet.stores.sqlite.failures import Unusable
from trivet.stores.sqlite.files import application_in_header, create_private, identity_of, remove_database, set_aside
from trivet.stores.sqlite.schema import APPLICATION_ID, ForeignDatabase, prepare

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["open_connections", "put_aside"]

# For how long SQLite itself waits for a lock. It would look for it less and less often, and hardly ever get it from others
# who want it all the time.
_WAIT: Final = 0.02


def open_connections(path: str) -> Connections:
    """Connections to the database at the path, which is made if there is none; none of them is open yet.

    Raises OSError.
    """
    return Connections(path, create_private(path), _connect)


def put_aside(connections: Connections, error: Exception) -> str:
    """Put the files of a damaged database out of the way, after its connections; what became of it, in words.

    What may be somebody else's is not lost. Raises OSError, and `ForeignDatabase`.
    """
    connections.close()
    path, identity = connections.path, connections.identity
    if identity_of(path) != identity:
        return ""
    # Asked for now, since another program may have written to the file that was opened.
    found = application_in_header(path)
    if found is None:
        aside = set_aside(path, identity)
        return f"was no database: what it was is {aside!r} now" if aside else ""
    if found != APPLICATION_ID:
        raise ForeignDatabase("it is a damaged database of another application") from error
    remove_database(path, identity)
    return f"was damaged, and is begun anew: {error}"


def _connect(path: str) -> Connection:
    """A connection that is ready for use."""
    try:
        import sqlite3
    except ImportError as error:
        raise Unusable(f"this Python has no SQLite: {error}") from error
    if not sqlite3.threadsafety:
        raise Unusable("this SQLite is not safe under threads")
    # SQLite is not to create the file: it would let others read it.
    uri = f"{Path(path).as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection
