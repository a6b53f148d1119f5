"""optimize: a model of a prediction API run on an image: made better, larger, freed of its background, or made at all.

The job is handed over within one claim and waits without a slot; it comes back when its prediction has ended.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from libs.access.plan import Limits
from libs.backends.prediction import Maker, Order
from libs.errors import Failure, invalid
from libs.kinds.kind import Attempt, InlineFile, Kind, Offer, Output, ResultCache, Wait
from libs.kinds.optimize_input import IMAGE_BYTES_MAX, IMAGE_TYPES, OptimizeInput, addresses_in
from libs.kinds.optimize_output import OutputLostError, fetched

__all__ = ["KIND"]

_LISTED_MAX: Final = 20
#: A job that waits for longer than that without a word is looked at.
_LOOKED_AFTER_S: Final = 300.0


def check(wanted: OptimizeInput, offer: Offer, _limits: Limits) -> None:
    """Refuse a model that this deployment does not run, where that is known."""
    catalogue = offer.catalogue
    if not catalogue:
        return
    listed: Sequence[str] = catalogue.get("models") or ()
    if wanted.model is None:
        if not catalogue.get("model"):
            raise invalid("#/input/model", "a model has to be named: there is no default", "model_required")
    elif not catalogue.get("any_model") and wanted.model.partition(":")[0] not in listed:
        raise invalid("#/input/model", f"not offered; there are {', '.join(listed[:_LISTED_MAX])}", "not_offered")


def uploads(wanted: OptimizeInput) -> Sequence[str]:
    """The upload to work on, where it is one."""
    return () if wanted.upload is None else (wanted.upload,)


def urls(wanted: OptimizeInput) -> Mapping[str, str]:
    """Every address that somebody will fetch from."""
    found = {} if wanted.image_url is None else {"image_url": wanted.image_url}
    return found | dict(addresses_in(wanted.parameters))


async def run(wanted: OptimizeInput, attempt: Attempt) -> Output | Wait:
    """One step of the way: create, look, or fetch what there is."""
    maker = attempt.backends.predictions.maker(wanted.model, attempt.submission)
    prediction = await maker.advance(partial(_order, wanted, attempt, maker), attempt)
    if prediction is None:
        return Wait(min(_LOOKED_AFTER_S, maker.max_wait_s + 1))
    try:
        return await fetched(prediction, attempt.backends.egress)
    except OutputLostError:
        await maker.discard(attempt)
        raise


async def abandon(wanted: OptimizeInput, attempt: Attempt) -> None:
    """End the prediction that an earlier attempt left at the provider."""
    if attempt.submission is not None:
        maker = attempt.backends.predictions.maker(wanted.model, attempt.submission)
        await maker.end(partial(_order, wanted, attempt, maker), attempt.submission, attempt.job_id)


async def _order(wanted: OptimizeInput, attempt: Attempt, maker: Maker) -> Order:
    """What the provider is asked for, in the words of its model."""
    terms = maker.terms
    model = terms.model_for(wanted.model)
    told: dict[str, Any] = {"prompt": wanted.prompt, "output_format": wanted.output_format}
    told["aspect_ratio"] = wanted.aspect_ratio or terms.aspect_ratio or None
    told |= wanted.parameters
    image = await _image(wanted, attempt, maker)
    if image is not None:
        told[terms.image_member.removesuffix("[]")] = [image] if terms.image_member.endswith("[]") else image
    if not maker.fetches and any(addresses_in(wanted.parameters)):
        raise Failure("url_not_allowed", "This model's server fetches from no address", fault="caller")
    return Order(model, {name: value for name, value in told.items() if value is not None})


async def _image(wanted: OptimizeInput, attempt: Attempt, maker: Maker) -> str | None:
    """The image as the provider gets it: an address that it can fetch from, or the bytes themselves."""
    if wanted.image_url is not None:
        if maker.fetches:
            return wanted.image_url
        file = await attempt.backends.egress.fetch(wanted.image_url, bytes_max=IMAGE_BYTES_MAX, types=IMAGE_TYPES)
        return _data_url(file.data, file.content_type)
    if wanted.upload is None:
        return None
    address = await attempt.share(wanted.upload) if maker.fetches else None
    if address is not None:
        return address
    upload = await attempt.open(wanted.upload)
    if upload.content_type not in IMAGE_TYPES or len(upload.data) > IMAGE_BYTES_MAX:
        detail = f"The image must be one of {', '.join(sorted(IMAGE_TYPES))}, and {IMAGE_BYTES_MAX} bytes at most"
        raise Failure("image_unfit", detail, fault="caller")
    return _data_url(upload.data, upload.content_type)


def _data_url(data: bytes, content_type: str) -> str:
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"


KIND = Kind(
    name="optimize",
    queue="net",
    input=OptimizeInput,
    run=run,
    summary="An image, or whatever else a model of a prediction API makes",
    check=check,
    uploads=uploads,
    upload_types=IMAGE_TYPES,
    urls=urls,
    inline_file=InlineFile("image", "upload", IMAGE_TYPES, IMAGE_BYTES_MAX),
    cache=ResultCache(),
    backend="replicate",
    abandon=abandon,
    timeout_s=660,
    attempts_max=3,
    body_bytes_max=None,  # a picture may stand in it
)
