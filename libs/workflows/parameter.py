"""Parameters of a registered workflow: what a caller may set, by name and type, and which inputs of nodes it goes to.

Each type of parameter says three things of itself: what a JSON schema says of it (draft 2020-12), what is wrong with a
value, in the same words, and which inputs of a node it may be bound to.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from libs import limits
from libs.backends.comfyui.node_class import CHOICE, NodeInput
from libs.strict import Strict, at_most
from libs.workflows.raw import UPLOAD, names_place

__all__ = ["RANDOM", "SEED_MAX", "Binding", "ImageParameter", "IntegerParameter", "Parameter", "SeedParameter", "Wrong"]

#: The largest integer that every JSON client keeps exactly (RFC 8259, section 6).
SEED_MAX: Final = 2**53 - 1
#: What a caller says for a seed that is to be drawn.
RANDOM: Final = -1

#: Inputs that one parameter goes to.
_SETS_MAX: Final = 16
#: Why a value is refused, and the code of that.
Wrong = tuple[str, str]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Text = Annotated[str, Field(max_length=limits.WORKFLOW_TEXT_LENGTH_MAX)]
Length = Annotated[int, Field(ge=0, le=limits.WORKFLOW_TEXT_LENGTH_MAX)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Integer = Annotated[int, Field(ge=-SEED_MAX, le=SEED_MAX)]


class Binding(Strict):
    """An input of a node that a parameter goes to."""

    node: Annotated[str, Field(min_length=1, max_length=limits.WORKFLOW_NAME_LENGTH_MAX)]
    input: Annotated[str, Field(min_length=1, max_length=limits.WORKFLOW_NAME_LENGTH_MAX)]


class _Parameter(Strict):
    """What all have. A parameter that is neither required nor has a default keeps what stands in the graph."""

    node_type: ClassVar[str]

    name: Name
    sets: Annotated[tuple[Binding, ...], Field(min_length=1, max_length=_SETS_MAX, strict=False), at_most(_SETS_MAX)]
    description: Annotated[str, Field(max_length=500)] = ""
    required: bool = False

    def fits(self, declared: NodeInput) -> bool:
        """Whether it may be bound to such an input."""
        return self.node_type in declared.types and not declared.is_file

    def suits(self, name: str) -> bool:
        """Whether it may be bound to an input of that name: free text never to one that leads to a file or address."""
        return True

    def wrong_with(self, value: Any) -> Wrong | None:
        """Why it cannot have a value."""
        raise NotImplementedError

    def schema_of(self) -> dict[str, Any]:
        """What its JSON schema says beside description and default."""
        raise NotImplementedError


class StringParameter(_Parameter):
    """A text."""

    node_type = "STRING"

    type: Literal["string"]
    default: Text | None = None
    min_length: Length = 0
    max_length: Length = 2_000

    def suits(self, name: str) -> bool:
        """Free text does not go where a file or an address is meant."""
        return not names_place(name)

    def wrong_with(self, value: Any) -> Wrong | None:
        """Lengths count characters, as JSON Schema does."""
        if not isinstance(value, str):
            return "must be a text", "string_type"
        if not self.min_length <= len(value) <= self.max_length:
            return f"{self.min_length} to {self.max_length} characters", "length"
        return None

    def schema_of(self) -> dict[str, Any]:
        """Its lengths."""
        return {"type": "string", "minLength": self.min_length, "maxLength": self.max_length}


class IntegerParameter(_Parameter):
    """A whole number."""

    node_type = "INT"

    type: Literal["integer"]
    default: Integer | None = None
    minimum: Integer
    maximum: Integer
    multiple_of: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    def fits(self, declared: NodeInput) -> bool:
        """A whole number is a number too."""
        return not declared.types.isdisjoint({"INT", "FLOAT"}) and not declared.is_file

    def wrong_with(self, value: Any) -> Wrong | None:
        """JSON has one type of number: 1.0 is none of ours, though a schema cannot say so."""
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be an integer", "int_type"
        if self.multiple_of is not None and value % self.multiple_of:
            return f"a multiple of {self.multiple_of}", "multiple_of"
        return _wrong_with_size(value, self.minimum, self.maximum)

    def schema_of(self) -> dict[str, Any]:
        """Its bounds and steps."""
        steps = {} if self.multiple_of is None else {"multipleOf": self.multiple_of}
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum, **steps}


class NumberParameter(_Parameter):
    """A number."""

    node_type = "FLOAT"

    type: Literal["number"]
    default: Number | None = None
    minimum: Number
    maximum: Number

    def wrong_with(self, value: Any) -> Wrong | None:
        """A whole number will do."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "must be a number", "float_type"
        return _wrong_with_size(value, self.minimum, self.maximum)

    def schema_of(self) -> dict[str, Any]:
        """Its bounds."""
        return {"type": "number", "minimum": self.minimum, "maximum": self.maximum}


class BooleanParameter(_Parameter):
    """Yes or no."""

    node_type = "BOOLEAN"

    type: Literal["boolean"]
    default: bool | None = None

    def wrong_with(self, value: Any) -> Wrong | None:
        """1 is not true."""
        return None if isinstance(value, bool) else ("must be true or false", "bool_type")

    def schema_of(self) -> dict[str, Any]:
        """Its type is all there is to say."""
        return {"type": "boolean"}


class ChoiceParameter(_Parameter):
    """One of some texts that the admin has listed."""

    node_type = CHOICE

    type: Literal["choice"]
    default: Text | None = None
    choices: Annotated[
        tuple[Text, ...],
        Field(min_length=1, max_length=limits.WORKFLOW_CHOICES_MAX, strict=False),
        at_most(limits.WORKFLOW_CHOICES_MAX),
    ]

    def fits(self, declared: NodeInput) -> bool:
        """Whatever the admin listed may be a text too, and is held against what the backend lists."""
        return not declared.types.isdisjoint({CHOICE, "STRING"}) and not declared.is_file

    def wrong_with(self, value: Any) -> Wrong | None:
        """What is listed, letter by letter."""
        if isinstance(value, str) and value in self.choices:
            return None
        return f"one of {', '.join(self.choices)}", "not_offered"

    def schema_of(self) -> dict[str, Any]:
        """Its choices."""
        return {"type": "string", "enum": list(self.choices)}


class SeedParameter(_Parameter):
    """A seed: -1 or absent, it is drawn at submission, and told."""

    node_type = "INT"

    type: Literal["seed"]
    maximum: Annotated[int, Field(ge=0, le=SEED_MAX)] = SEED_MAX

    def wrong_with(self, value: Any) -> Wrong | None:
        """A seed, or the word for drawing one."""
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be an integer", "int_type"
        return _wrong_with_size(value, RANDOM, self.maximum)

    def schema_of(self) -> dict[str, Any]:
        """Its bounds, with the word for drawing one."""
        return {"type": "integer", "minimum": RANDOM, "maximum": self.maximum}

    def drawn(self) -> int:
        """One of its values, by chance."""
        return secrets.randbelow(self.maximum + 1)


class ImageParameter(_Parameter):
    """A picture: the id of a completed upload of the caller's."""

    node_type = ""

    type: Literal["image"]

    def fits(self, declared: NodeInput) -> bool:
        """Where the backend takes a file."""
        return declared.is_picture

    def wrong_with(self, value: Any) -> Wrong | None:
        """The shape of an id; whose upload it is, and of what, is looked up later."""
        if isinstance(value, str) and UPLOAD.fullmatch(value):
            return None
        return "must be the id of an upload of yours", "upload_needed"

    def schema_of(self) -> dict[str, Any]:
        """The shape of an id."""
        return {"type": "string", "pattern": f"^{UPLOAD.pattern}$"}


Parameter = Annotated[
    StringParameter
    | IntegerParameter
    | NumberParameter
    | BooleanParameter
    | ChoiceParameter
    | SeedParameter
    | ImageParameter,
    Field(discriminator="type"),
]


def _wrong_with_size(value: float, least: float, most: float) -> Wrong | None:
    if value < least:
        return f"at least {least}", "out_of_range"
    return (f"at most {most}", "out_of_range") if value > most else None
