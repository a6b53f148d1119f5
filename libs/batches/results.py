"""What became of a batch's items: read from their jobs' records, kept in the object store block by block.

A block's results are stored once all of its items have ended, in the order of the items; at the end the blocks are put
together to one file. Records of jobs may go before that (a block may hold one item that waits for days), so what has
ended of an unfinished block is stored from time to time too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from libs import limits
from libs.artifacts.objects import Digest, Objects
from libs.batches.batch import Batch, block_name, results_name
from libs.batches.items import LINES_TYPE
from libs.batches.lookup import find_jobs
from libs.batches.turns import find_turns
from libs.jobs.job import Job
from libs.jobs.scripts import KEEP_RESULTS
from libs.store.client import Store

__all__ = [
    "RESULTS_BLOCK_BYTES_MAX",
    "Result",
    "ended_by_block",
    "keep_block",
    "lost",
    "no_job",
    "put_together",
    "read_block",
    "result_of",
]

RESULTS_BLOCK_BYTES_MAX: Final = 2 * limits.BATCH_BLOCK_ITEMS * limits.BATCH_RESULT_BYTES_MAX

#: A line of the results.
Result = dict[str, Any]


async def ended_by_block(store: Store, batch: Batch) -> dict[int, tuple[int, int]]:
    """By block: how many of its items have ended, and of how many the results are stored."""
    if batch.over:
        return {block: (batch.block_size(block),) * 2 for block in range(batch.blocks)}
    words = await store.call("HGETALL", store.keys.batch_ended + batch.id)
    counts = {name.decode(): int(count) for name, count in zip(words[::2], words[1::2], strict=True)}
    return {int(name): (count, counts.get(f"{name}:kept", 0)) for name, count in counts.items() if name.isdigit()}


async def read_block(objects: Objects, batch: Batch, block: int, ended: int) -> dict[int, Result]:
    """The stored results of a block as it was when so many of its items had ended, by index; empty for none."""
    if ended == 0:
        return {}
    data = await objects.get(block_name(batch.prefix, block, ended=ended), bytes_max=RESULTS_BLOCK_BYTES_MAX)
    results = [orjson.loads(line) for line in (data or b"").splitlines()]
    return {result["index"]: result for result in results}


async def results_of(store: Store, batch: Batch, indices: Sequence[int]) -> dict[int, Result]:
    """What is known of those items that have ended, by index."""
    turns = await find_turns(store, batch)
    jobs = await find_jobs(store, batch, turns, indices)
    found = {index: result_of(index, job) for index, job in jobs.items() if job is not None and job.finished}
    if batch.rest_from is not None:
        found |= {index: no_job(batch, index) for index in indices if not batch.has_job(turns.turn_of(index))}
    return found


def result_of(index: int, job: Job) -> Result:
    """A line of the results: what a caller sees of an item's job, but for URLs, which would lapse.

    An output of more than BATCH_RESULT_BYTES_MAX stands in its job alone.
    """
    artifacts = [
        {
            "name": artifact.name,
            "content_type": artifact.content_type,
            "size_bytes": artifact.size_bytes,
            "sha256": artifact.sha256,
            **artifact.facts,
        }
        for artifact in job.artifacts
    ]
    output_bytes = len(orjson.dumps(job.output)) if job.output is not None else 0
    return {
        "index": index,
        "job_id": job.id,
        "status": job.status,
        "cached": job.cached,
        "output": job.output if output_bytes <= limits.BATCH_RESULT_BYTES_MAX else None,
        "output_bytes": output_bytes,
        "artifacts": artifacts,
        "error": job.error,
        "metadata": job.metadata,
        "fairness_key": job.fairness_key,
    }


def no_job(batch: Batch, index: int) -> Result:
    """An item that is no job: not yet, or never."""
    return {
        "index": index,
        "job_id": None,
        "status": "queued" if batch.rest_from is None else batch.rest_status,
        "cached": False,
        "output": None,
        "output_bytes": 0,
        "artifacts": [],
        "error": None,
        "metadata": {},
        "fairness_key": None,
    }


def lost(batch: Batch, index: int) -> Result:
    """An item whose job's record is gone before its result was kept: a hand in Redis, or a retention of minutes."""
    error = {"code": "record_lost", "detail": "The record of the job was gone before its result was kept"}
    return {**no_job(batch, index), "job_id": batch.job_id(index), "status": "failed", "error": error}


async def keep_block(store: Store, objects: Objects, batch: Batch, block: int, ended: int, kept: int) -> None:
    """Store the results of a block of which so many items have `ended`, and so many are `kept` already."""
    first = block * batch.block_items
    known = await read_block(objects, batch, block, kept)
    indices = range(first, first + batch.block_size(block))
    known |= await results_of(store, batch, [index for index in indices if index not in known])
    if ended == batch.block_size(block):
        known |= {index: lost(batch, index) for index in indices if index not in known}
    if len(known) < ended:
        return  # what we know of the batch is older than what we know of its blocks
    lines = [orjson.dumps(known[index]) + b"\n" for index in sorted(known)]
    await objects.put(block_name(batch.prefix, block, ended=len(known)), b"".join(lines), LINES_TYPE)
    await store.run(KEEP_RESULTS, (), (batch.id, block, len(known)))


async def put_together(objects: Objects, batch: Batch) -> Digest:
    """Store the results of all items as one file, in the order of the items; all of their blocks must be stored."""
    blocks = [block_name(batch.prefix, block, ended=batch.block_size(block)) for block in range(batch.blocks)]
    return await objects.chain(results_name(batch.prefix), blocks, LINES_TYPE, part_bytes_max=RESULTS_BLOCK_BYTES_MAX)
