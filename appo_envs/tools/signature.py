"""A typed, documented function as a tool's schema, and the way back from JSON values to its arguments.

Owns the signature; pydantic knows the types, and is imported only where a function becomes a tool.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from appo_envs.errors import ToolError, did_you_mean
from appo_envs.tools.base import ToolSchema
from appo_envs.tools.docstrings import read_docstring

if TYPE_CHECKING:
    from pydantic import TypeAdapter

TOOL_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a tool may be called: every dialect can write such a name."""


@dataclass(frozen=True)
class Signature:
    """What a function takes.

    Attributes:
        schema: the function for a model.
        adapters: what makes Python values of each argument's JSON value.
    """

    schema: ToolSchema
    adapters: Mapping[str, TypeAdapter[Any]]

    def arguments(self, checked: Mapping[str, object]) -> dict[str, Any]:
        """Python values of arguments that conform to the schema.

        Raises:
            ToolError: a value does not fit a type that says more than its schema, such as a date.
        """
        from pydantic import ValidationError

        arguments = {}
        for name, value in checked.items():
            try:
                arguments[name] = self.adapters[name].validate_python(value)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                raise ToolError(f"error : argument {name!r} : {first['msg']}, got {first['input']!r:.60}") from error
        return arguments


def read_signature(function: Callable[..., object], name: str, *, skip_first: bool) -> Signature:
    """The signature of a function that is to be a tool.

    Args:
        function: typed, with a docstring; the text under "Args:" describes its arguments.
        name: of the tool.
        skip_first: leave out the first parameter, which the environment gives.

    Raises:
        TypeError: a parameter has no annotation, or one that JSON cannot express, or cannot be passed by name; the
            message names it. Or the function returns None or bytes.
        ValueError: the name is no lower-case identifier, or the docstring is missing or describes an unknown
            argument.
    """
    if not TOOL_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a tool: use lower-case letters, digits and underscores, or give another "
            "with @tool(name=...)"
        )
    if not function.__doc__:
        raise ValueError(f"tool {name!r} needs a docstring, which tells the model what it does")
    documentation = read_docstring(function.__doc__)
    parameters = _parameters(function, name, skip_first)
    known = list(inspect.signature(function).parameters)
    for documented in documentation.arguments:
        if documented not in known:
            raise ValueError(
                f"the docstring of tool {name!r} describes {documented!r}; "
                f"{did_you_mean(documented, known) if known else 'it takes no arguments'}"
            )
    adapters = _adapters(function, name, parameters)
    schema: ToolSchema = {
        "type": "function",
        "function": {
            "name": name,
            "description": documentation.description,
            "parameters": _json_schema(parameters, adapters, documentation.arguments),
        },
    }
    return Signature(schema, adapters)


def _parameters(function: Callable[..., object], name: str, skip_first: bool) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(function).parameters)
    if skip_first:
        if not parameters:
            raise TypeError(f"tool {name!r} has a state, so its function needs a first parameter for it")
        del parameters[next(iter(parameters))]
    for parameter in parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(
                f"parameter {parameter.name!r} of tool {name!r} is {parameter.kind.description}; a model gives "
                "arguments by name, so write each as an ordinary parameter"
            )
        if parameter.annotation is parameter.empty:
            raise TypeError(f"parameter {parameter.name!r} of tool {name!r} needs a type annotation")
    return parameters


def _adapters(
    function: Callable[..., object], name: str, parameters: Mapping[str, inspect.Parameter]
) -> dict[str, TypeAdapter[Any]]:
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        culprit = next((p for p in parameters.values() if str(error.name) in str(p.annotation)), None)
        if culprit:
            where = f"parameter {culprit.name!r}"
        elif str(error.name) in str(function.__annotations__.get("return")):
            where = "the return annotation"
        else:
            where = "the state parameter"
        raise TypeError(f"{where} of tool {name!r} is annotated with a name that is not known here: {error}") from error
    if hints.get("return") in (type(None), bytes):
        raise TypeError(f"tool {name!r} returns {hints['return'].__name__}; return what the model is to read")
    adapters: dict[str, TypeAdapter[Any]] = {}
    for parameter in parameters:
        try:
            adapters[parameter] = TypeAdapter(hints[parameter])
            adapters[parameter].json_schema()
        except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
            raise TypeError(
                f"parameter {parameter!r} of tool {name!r} is annotated {hints[parameter]!r}, which JSON cannot "
                "express; use text, numbers, lists, dicts, Literal, Enum, dataclasses or unions of them"
            ) from error
    return adapters


def _json_schema(
    parameters: Mapping[str, inspect.Parameter],
    adapters: Mapping[str, TypeAdapter[Any]],
    descriptions: Mapping[str, str],
) -> dict[str, object]:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema
    from pydantic_core import PydanticSerializationError

    class Untitled(GenerateJsonSchema):
        """Leaves out titles such as "X" of a field x, which tell a model nothing."""

        def field_title_should_be_set(self, schema: object) -> bool:
            return False

    inputs: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (name, "validation", adapter) for name, adapter in adapters.items()
    ]
    schemas, shared = TypeAdapter.json_schemas(inputs, schema_generator=Untitled)
    properties: dict[str, object] = {}
    for name, parameter in parameters.items():
        spec = {key: value for key, value in schemas[name, "validation"].items() if key != "title"}
        if name in descriptions:
            spec["description"] = descriptions[name]
        if parameter.default is not parameter.empty:
            try:
                spec["default"] = adapters[name].dump_python(parameter.default, mode="json", warnings=False)
            except PydanticSerializationError:
                pass  # A default that JSON cannot say is still the default when the argument is left out.
        properties[name] = spec
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    schema: dict[str, object] = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return {**schema, "$defs": shared["$defs"]} if "$defs" in shared else schema
