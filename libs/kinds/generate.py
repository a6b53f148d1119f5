"""generate: pictures from a text."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from libs.access.plan import Limits
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.dimensions import Size, size_of
from libs.artifacts.sniff import sniff
from libs.backends.comfyui import OutputFile
from libs.errors import Failure, invalid
from libs.kinds.generate_graph import text_to_image
from libs.kinds.generate_input import SEED_MAX, GenerateInput
from libs.kinds.kind import Attempt, Kind, Offer, Output

__all__ = ["KIND"]

_LISTED_MAX = 20


def cost(wanted: GenerateInput) -> int:
    """One unit for each picture."""
    return wanted.batch_size


def prepare(wanted: GenerateInput) -> GenerateInput:
    """Draw the seed at submission, so that every attempt at the job draws the same picture."""
    if wanted.fixed_seed is not None:
        return wanted
    return wanted.model_copy(update={"seed": secrets.randbelow(SEED_MAX + 1)})


def check(wanted: GenerateInput, offer: Offer, limits: Limits) -> None:
    """Refuse more pictures than the plan allows, and names that the backend does not list (where that is known)."""
    if wanted.batch_size > limits.pictures_per_job:
        detail = f"at most {limits.pictures_per_job} per job on your plan"
        raise invalid("#/input/batch_size", detail, "over_plan_ceiling")
    for member, listed in (("model", "models"), ("sampler", "samplers"), ("scheduler", "schedulers")):
        _require_offered(member, getattr(wanted, member), offer.catalogue.get(listed) or ())


async def run(wanted: GenerateInput, attempt: Attempt) -> Output:
    """Draw the pictures; names that `check` could not look up are looked up by the backend itself."""
    await attempt.progress(0, wanted.steps, "submitted")
    model = wanted.model or await _first_model(attempt)
    seed = _seed_of(attempt.job_id) if wanted.fixed_seed is None else wanted.fixed_seed
    graph = text_to_image(wanted, model=model, seed=seed)
    files = await attempt.backends.comfyui.run(graph, attempt)
    pictures = tuple(_artifact(index, file, seed) for index, file in enumerate(files))
    if len(pictures) != wanted.batch_size:
        detail = f"the backend left {len(pictures)} pictures where {wanted.batch_size} were asked for"
        raise Failure("backend_output_invalid", detail, retryable=True)
    return Output({"seed": seed, "model": model, "images": len(pictures)}, pictures)


async def abandon(wanted: GenerateInput, attempt: Attempt) -> None:
    """End the prompt that an earlier attempt left at the backend."""
    if attempt.submission is not None:
        await attempt.backends.comfyui.end(attempt.submission)


def _require_offered(member: str, name: str | None, listed: Sequence[str]) -> None:
    if name is None or not listed or name in listed:
        return
    more = f" and {len(listed) - _LISTED_MAX} more" if len(listed) > _LISTED_MAX else ""
    detail = f"not offered; the backend offers {', '.join(listed[:_LISTED_MAX])}{more}"
    raise invalid(f"#/input/{member}", detail, "not_offered")


async def _first_model(attempt: Attempt) -> str:
    models = await attempt.backends.comfyui.models()
    if not models:
        raise Failure("no_model", "the backend has no checkpoint to draw with")
    return models[0]


def _seed_of(job_id: str) -> int:
    """The seed of a job that came without one, past `prepare`: the same for each of its attempts."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()) % (SEED_MAX + 1)


def _artifact(index: int, file: OutputFile, seed: int) -> NewArtifact:
    """One picture of the batch; they share one seed and differ by their place in the batch."""
    content_type = sniff(file.data)
    size = size_of(file.data, content_type) or Size(0, 0)
    facts = {"seed": seed, "batch_index": index, "width": size.width, "height": size.height}
    return NewArtifact(f"{index}.png", content_type, file.data, facts)


KIND = Kind(
    name="generate",
    queue="gpu",
    input=GenerateInput,
    run=run,
    summary="Pictures from a text",
    cost=cost,
    prepare=prepare,
    check=check,
    backend="comfyui",
    abandon=abandon,
    timeout_s=600,
    attempts_max=3,
)
