"""A gate for which no worker of an engine has room: there, files may have no more than a few bytes."""

import os
import resource

import pyarrow as pa

from synth_stack.gates.gate import Judge, State
from synth_stack.registry import gate
from synth_stack.rows.schemas import build_verdicts
from synth_stack.watcher import MARK


@gate("small_disk", version="1")
def small_disk() -> Judge:
    """A judge that accepts everything, and has to write that down."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        if MARK in os.environ:
            resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return build_verdicts(table["row_id"], "small_disk", ["accept"] * len(table))

    return Judge(judge)
