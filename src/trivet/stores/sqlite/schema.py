"""What is in the database, and whose database it is.

The header of a file of SQLite has two numbers for this: whose format it is (``application_id``), and which version of it
(``user_version``). What another version wrote is thrown away, as what is cached can be; what another application wrote is
left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trivet.stores.sqlite.failures import UnreadableDatabase, Unusable, is_damage, is_nonsense

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["APPLICATION_ID", "VERSION", "ForeignDatabase", "clear", "free_pages", "prepare"]

APPLICATION_ID: Final = int.from_bytes(b"TvtC", "big")
VERSION: Final = 1

# Of a connection, and not of the file.
_SETTINGS: Final = (
    # What was written last may be lost with the power, never with the process; the database stays whole in both cases.
    "PRAGMA synchronous = NORMAL",
    # To unmap and to map the file anew after each foreign write takes longer than reading does; and whoever truncated a
    # mapped file would kill the process.
    "PRAGMA mmap_size = 0",
    # To overwrite what is removed would double what is written; free pages leave the file when it is cleared.
    "PRAGMA secure_delete = OFF",
    "PRAGMA journal_size_limit = 8388608",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
)

_STATEMENTS: Final = (
    # Content of a moderate size is in the row; NULL stands for content in chunks. Keys are bytes, which have one order and
    # can always be read. `bytes` is what counts for the bounds, without chunks. `used` is Unix time, as `expires`.
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL,
        variant TEXT NOT NULL,
        content_id TEXT NOT NULL,
        expires REAL NOT NULL,
        used REAL NOT NULL,
        bytes INTEGER NOT NULL,
        head BLOB NOT NULL,
        content BLOB,
        UNIQUE (key, variant)
    )
    """,
    "CREATE INDEX entries_by_use ON entries (used)",
    "CREATE INDEX entries_by_expiry ON entries (expires)",
    # Content in chunks. It is staged until an entry refers to it. From `until` on (Unix time) it may be removed, which is
    # never while an entry does.
    """
    CREATE TABLE contents (
        content_id TEXT PRIMARY KEY,
        bytes INTEGER NOT NULL,
        staged INTEGER NOT NULL,
        until REAL NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE chunks (
        content_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        piece BLOB NOT NULL,
        PRIMARY KEY (content_id, number)
    )
    """,
    # How many entries there are, and how many bytes all of it takes: a sum over the tables at each save would be slow.
    "CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    """
    CREATE TRIGGER entry_inserted AFTER INSERT ON entries BEGIN
        UPDATE totals SET entries = entries + 1, bytes = bytes + new.bytes;
    END
    """,
    """
    CREATE TRIGGER entry_updated AFTER UPDATE OF bytes ON entries WHEN new.bytes <> old.bytes BEGIN
        UPDATE totals SET bytes = bytes + new.bytes - old.bytes;
    END
    """,
    """
    CREATE TRIGGER entry_deleted AFTER DELETE ON entries BEGIN
        UPDATE totals SET entries = entries - 1, bytes = bytes - old.bytes;
    END
    """,
    # Whoever is reading the content that was replaced has a minute for the rest.
    """
    CREATE TRIGGER chunks_replaced AFTER UPDATE OF content_id ON entries WHEN old.content IS NULL BEGIN
        UPDATE contents SET until = new.used + 60 WHERE content_id = old.content_id;
    END
    """,
    """
    CREATE TRIGGER chunks_orphaned AFTER DELETE ON entries WHEN old.content IS NULL BEGIN
        DELETE FROM contents WHERE content_id = old.content_id;
    END
    """,
    """
    CREATE TRIGGER content_inserted AFTER INSERT ON contents BEGIN
        UPDATE totals SET bytes = bytes + new.bytes;
    END
    """,
    """
    CREATE TRIGGER content_updated AFTER UPDATE OF bytes ON contents BEGIN
        UPDATE totals SET bytes = bytes + new.bytes - old.bytes;
    END
    """,
    """
    CREATE TRIGGER content_deleted AFTER DELETE ON contents BEGIN
        DELETE FROM chunks WHERE content_id = old.content_id;
        UPDATE totals SET bytes = bytes - old.bytes;
    END
    """,
    "INSERT INTO totals VALUES (0, 0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
_FULL: Final = 1
# As SQLite keeps it, which is as it was written.
_CREATED: Final = {text.encode() for each in _STATEMENTS if (text := each.strip()).startswith("CREATE")}
# As bytes, since what is damaged need not be text.
_SCHEMA: Final = "SELECT CAST(sql AS BLOB) FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"


class ForeignDatabase(Unusable):
    """The database is of another application."""


def prepare(connection: Connection) -> None:
    """Make a new connection ready for use, and the database too if it is new or of another version.

    Raises `ForeignDatabase`, `UnreadableDatabase`, and sqlite3.Error.
    """
    try:
        _prepare(connection)
    except Exception as error:
        if is_damage(error) or is_nonsense(error):
            raise UnreadableDatabase(str(error)) from error
        raise


def _prepare(connection: Connection) -> None:
    # At one moment, since another process may be about to create the tables.
    connection.execute("BEGIN")
    current = _is_current(connection)
    connection.execute("COMMIT")
    if not current:
        _begin_anew(connection, always=False)
    elif _number(connection, "PRAGMA auto_vacuum") == _FULL:
        # A process was killed while it cleared the database.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for setting in _SETTINGS:
        connection.execute(setting)


def clear(connection: Connection) -> bool:
    """Remove everything, and make the file as small as it was; not in a transaction."""
    _begin_anew(connection, always=True)
    return True


def free_pages(connection: Connection, count: int) -> None:
    """Give so many free pages back to the file system, in a transaction."""
    for _ in range(count):
        # Page by page: for more of them SQLite gives a row for each, which the module takes for the end of it.
        connection.execute("PRAGMA incremental_vacuum(1)")


def _begin_anew(connection: Connection, *, always: bool) -> None:
    # Free pages leave the file with the transaction, all at once; page by page it would take twenty times as long. As the
    # way of writing, this cannot be changed within a transaction, and must be so before there are tables.
    connection.execute("PRAGMA auto_vacuum = FULL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been quicker.
    if always or not _is_current(connection):
        _empty(connection)
        for statement in _STATEMENTS:
            connection.execute(statement.strip())
    connection.execute("COMMIT")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # Out of the log into the file, so that it can be told whose the file is even if it is damaged.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _empty(connection: Connection) -> None:
    found = connection.execute("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    for kind, name in found:
        if not name.startswith("sqlite_"):
            quoted = name.replace('"', '""')
            connection.execute(f'DROP {kind} IF EXISTS "{quoted}"')


def _is_current(connection: Connection) -> bool:
    """Whether it is ready, in a transaction. Raises `ForeignDatabase`, if it is not ours, and sqlite3.Error."""
    application_id = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    found = {sql for (sql,) in connection.execute(_SCHEMA)}
    if application_id not in (0, APPLICATION_ID) or (application_id == 0 and (version or found)):
        raise ForeignDatabase("it is a database of another application")
    return (application_id, version, found) == (APPLICATION_ID, VERSION, _CREATED)


def _number(connection: Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
