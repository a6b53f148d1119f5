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
from libs.backends.pictures import PICTURE_TYPES
from libs.errors import Failure, invalid
from libs.kinds.generate_graph import INIT_IMAGE, index_of, picture_graph
from libs.kinds.generate_input import SEED_MAX, GenerateInput
from libs.kinds.generate_size import picture_size
from libs.kinds.kind import Attempt, Kind, Needs, Offer, Output
from libs.limits import WORKFLOW_TIMEOUT_S_MAX

__all__ = ["KIND"]

_LISTED_MAX = 20


def cost(wanted: GenerateInput) -> int:
    """One unit for each picture."""
    return wanted.batch_size


def prepare(wanted: GenerateInput) -> GenerateInput:
    """Draw the seed at submission, so that every attempt at the job draws the same picture; and say its size."""
    told: dict[str, int] = {}
    if wanted.fixed_seed is None:
        told["seed"] = secrets.randbelow(SEED_MAX + 1)
    if wanted.init_image is None:
        size = picture_size(wanted, None)
        told |= {"width": size.width, "height": size.height}
    return wanted.model_copy(update=told)


def check(wanted: GenerateInput, offer: Offer, limits: Limits) -> None:
    """Refuse more pictures than the plan allows, and names that the backend does not list (where that is known)."""
    if wanted.batch_size > limits.pictures_per_job:
        detail = f"at most {limits.pictures_per_job} per job on your plan"
        raise invalid("#/input/batch_size", detail, "over_plan_ceiling")
    for member, name, listed in (
        ("sampler", wanted.sampler, "samplers"),
        ("scheduler", wanted.scheduler, "schedulers"),
    ):
        _require_offered(member, name, offer.catalogue.get(listed) or None)
    _require_offered("model", wanted.model, _files_of(offer, "models"))
    for index, lora in enumerate(wanted.loras):
        _require_offered(f"loras/{index}/name", lora.name, _files_of(offer, "loras"))


def uploads(wanted: GenerateInput) -> Sequence[str]:
    """The image to start from, where there is one."""
    return () if wanted.init_image is None else (wanted.init_image,)


def needs(wanted: GenerateInput) -> Needs:
    """A server that has the checkpoint and the LoRAs; any, where none is named."""
    return Needs.of(files=[*([wanted.model] if wanted.model else []), *(lora.name for lora in wanted.loras)])


async def run(wanted: GenerateInput, attempt: Attempt) -> Output:
    """Draw the pictures; names that `check` could not look up are looked up by the backend itself."""
    steps = wanted.steps * wanted.batch_size
    await attempt.progress(0, steps, "submitted")
    model = wanted.model or await _first_model(attempt)
    seeds = wanted.seeds(_seed_of(attempt.job_id) if wanted.fixed_seed is None else wanted.fixed_seed)
    files, size = await _init_image(wanted, attempt)
    graph = picture_graph(wanted, model=model, seeds=seeds, size=size)
    saved = await attempt.backends.comfyui.run(graph, attempt, uploads=files)
    pictures = _pictures(saved.files, seeds)
    await attempt.progress(steps, steps, "drawn")
    return Output({"seed": seeds[0], "seeds": list(seeds), "model": model, "images": len(pictures)}, pictures)


async def abandon(wanted: GenerateInput, attempt: Attempt) -> None:
    """End the prompt that an earlier attempt left at the backend."""
    if attempt.submission is not None:
        await attempt.backends.comfyui.end(attempt.submission)


def _files_of(offer: Offer, listed: str) -> Sequence[str] | None:
    """Files that the backend can load: none at all, where it has said what it has; None where it has not."""
    return offer.catalogue.get(listed) or ([] if offer.catalogue.get("node_classes") else None)


def _require_offered(member: str, name: str | None, listed: Sequence[str] | None) -> None:
    if name is None or listed is None or name in listed:
        return
    more = f" and {len(listed) - _LISTED_MAX} more" if len(listed) > _LISTED_MAX else ""
    detail = f"not offered; the backend offers {', '.join(listed[:_LISTED_MAX]) or 'none'}{more}"
    raise invalid(f"#/input/{member}", detail, "not_offered")


async def _first_model(attempt: Attempt) -> str:
    models = await attempt.backends.comfyui.models()
    if not models:
        raise Failure("no_model", "the backend has no checkpoint to draw with")
    return models[0]


def _seed_of(job_id: str) -> int:
    """The seed of a job that came without one, past `prepare`: the same for each of its attempts."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()) % (SEED_MAX + 1)


async def _init_image(wanted: GenerateInput, attempt: Attempt) -> tuple[dict[str, bytes], Size]:
    """The files that go to the server with the graph, and how large the pictures become."""
    if wanted.init_image is None:
        return {}, picture_size(wanted, None)
    given = await attempt.open(wanted.init_image)
    picture = await attempt.backends.pictures.clean(given.data, given.content_type)
    upright = size_of(picture, "image/png")
    size = picture_size(wanted, upright)
    if size != upright:
        picture = await attempt.backends.pictures.clean(picture, "image/png", (size.width, size.height))
    return {INIT_IMAGE: picture}, size


def _pictures(files: Sequence[OutputFile], seeds: Sequence[int]) -> tuple[NewArtifact, ...]:
    """A picture for each seed, in their order, whatever order they were saved in."""
    if len(files) != len(seeds):
        detail = f"the backend left {len(files)} pictures where {len(seeds)} were asked for"
        raise Failure("backend_output_invalid", detail, retryable=True)
    in_order = sorted(files, key=lambda file: index_of(file.node))
    return tuple(_artifact(index, file, seeds[index]) for index, file in enumerate(in_order))


def _artifact(index: int, file: OutputFile, seed: int) -> NewArtifact:
    content_type = sniff(file.head)
    size = size_of(file.head, content_type) or Size(0, 0)
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
    drawn=("seed",),
    check=check,
    uploads=uploads,
    upload_types=PICTURE_TYPES,
    backend="comfyui",
    needs=needs,
    abandon=abandon,
    timeout_s=WORKFLOW_TIMEOUT_S_MAX,
    attempts_max=3,
)
