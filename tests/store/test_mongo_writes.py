from __future__ import annotations

import bson

from tests.support.executions import identity
from windmill.core.ports import Drop, OutputBlock
from windmill.store.mongo_writes import output_blobs


def test_output_that_its_own_batch_drops_is_not_written_for_a_moment() -> None:
    blocks = [OutputBlock(identity(1), first, first + 2, 1, 0, b"x") for first in (1, 4, 7, 10)]
    other = OutputBlock(identity(2), 4, 6, 1, 0, b"x")
    drops = [Drop(execution=identity(1), first=2, last=9), Drop(execution=identity(1), first=11, last=99)]
    written = [bson.decode(blob) for blob in output_blobs([*blocks, other], drops)]
    assert [(one["execution"], one["first"]) for one in written] == [
        (identity(1), 1),
        (identity(1), 10),
        (identity(2), 4),
    ]
