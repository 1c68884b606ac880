"""Classes to test a value of unknown type with.

They are declared as `Any`, so that a value tested with `isinstance` stays `Any` for type checkers; the
classes themselves would narrow it to, say, a list of unknown items, which strict checking rejects at each use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from enum import Enum
from typing import Any

LIST: Any = list
TUPLE: Any = tuple
ARRAY: Any = (list, tuple)
OBJECT: Any = dict
SET: Any = (set, frozenset)
BYTES: Any = (bytes, bytearray, memoryview)
TEXT: Any = str
CLASS: Any = type
ENUM: Any = Enum
ANY_MAPPING: Any = Mapping
ANY_COLLECTION: Any = (Sequence, Set)
