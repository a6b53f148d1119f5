"""What a deployment says of a provider's models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.errors import Failure

__all__ = ["MODEL_NAME", "Terms", "catalogue_of"]

#: owner/name, or owner/name:version, as a regular expression.
MODEL_NAME: Final = r"[a-z0-9][a-z0-9_.-]*/[a-z0-9][a-z0-9_.-]*(?::[0-9a-f]{64})?"

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Terms:
    """`model` is asked when nobody names one; `models` may be named besides it, `*` being every one.

    `image_member` is what the models call the image in their input; with `[]` at its end it is a list of images.
    `aspect_ratio` is asked for when nobody names one.
    """

    model: str = ""
    models: tuple[str, ...] = ()
    aspect_ratio: str = ""
    image_member: str = "image"

    def runs(self, model: str) -> bool:
        """Whether a caller may name this model."""
        named = model.partition(":")[0]
        return _ANY in self.models or named in {each.partition(":")[0] for each in (self.model, *self.models)}

    def model_for(self, named: str | None) -> str:
        """The model that is asked. Raises Failure."""
        if named is None:
            if not self.model:
                raise Failure("model_required", "A model has to be named: there is no default", fault="caller")
            return self.model
        if not self.runs(named):
            raise Failure("model_not_offered", "This model is not run here", fault="caller")
        return named


def catalogue_of(terms: Sequence[Terms]) -> dict[str, Any]:
    """What is published of it, for the API to check orders against; the first provider has the default."""
    models = {each.partition(":")[0] for one in terms for each in (one.model, *one.models) if each not in ("", _ANY)}
    any_model = any(_ANY in one.models for one in terms)
    return {"model": terms[0].model if terms else "", "models": sorted(models), "any_model": any_model}
