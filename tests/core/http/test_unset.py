"""The sentinel."""

from __future__ import annotations

import copy
import pickle

from trivet.core.http.unset import UNSET, Unset


def test_there_is_one_and_it_stays_one() -> None:
    assert list(Unset) == [UNSET]
    assert pickle.loads(pickle.dumps(UNSET)) is copy.deepcopy(UNSET) is UNSET
    assert repr(UNSET) == "UNSET"
