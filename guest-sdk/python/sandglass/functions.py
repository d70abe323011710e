"""A Python function as a tool: what it says of itself, and how it is called."""

import inspect
import json
import re
import typing

from . import docstrings, tasks, types
from .content import Block
from .types import MISSING, Mismatch, NoType, UnknownType, hints_of, kind_of
from .values import NotJson, to_json, to_json_value, utf8

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class NotATool(Exception):
    """A function that cannot be a tool; the text says why, and what to write instead."""


class ToolError(Exception):
    """Raise it to tell the caller of a tool what went wrong: the text is all that it sees."""


class InvalidArguments(Exception):
    """Arguments that the schema allows, and the types do not; the text names the argument."""


class Description:
    """What a tool says of itself. Schemas are dicts; no output schema where the result may be anything."""

    def __init__(self, name, description, input_schema, output_schema):
        self.name, self.description = name, description
        self.input_schema, self.output_schema = input_schema, output_schema


def describe(function, name=None, brief=False):
    """Describes a function; `brief` takes only the first line of its docstring. Fails with `NotATool`."""
    name = name or function.__name__
    if not _NAME.fullmatch(name):
        raise NotATool("a name has 1 to 128 of the letters A to Z, digits, `_` and `-`: rename it")
    hints = _hints(function)
    text, documented = docstrings.parse(function.__doc__)
    if brief:
        text = (inspect.cleandoc(function.__doc__ or "").splitlines() or [""])[0].strip()
    properties, required, definitions = {}, [], {}
    for parameter in _parameters(function):
        hint = hints.get(parameter.name, MISSING)
        schema = _kind(hint, f"parameter `{parameter.name}`").schema(definitions)
        if note := note_of(hint) or documented.get(parameter.name):
            schema["description"] = note
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            try:
                schema["default"] = to_json_value(parameter.default)
            except NotJson:
                # It has no place in a schema; the parameter is optional all the same.
                pass
        properties[parameter.name] = schema
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if definitions:
        schema["$defs"] = definitions
    return Description(name, text, schema, _output(hints.get("return", MISSING)))


def plan(function):
    """What of a call need not be found out again in each: in the types of `marshal`."""
    hints = _hints(function)
    decode, positional = {}, []
    output = _output_kind(hints.get("return", MISSING))
    for parameter in _parameters(function):
        hint = hints.get(parameter.name, MISSING)
        if not _kind(hint, parameter.name).plain:
            decode[parameter.name] = hint.__name__ if hint in (int, float) else None
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(parameter.name)
    return decode, tuple(positional), inspect.iscoroutinefunction(function), output is not None and _takes_none(output)


def call(function, planned, arguments):
    """Calls a function with the arguments of a JSON object; what it returns."""
    decode, positional, is_async, _ = planned
    hints = None
    for name, simple in decode.items():
        if name not in arguments:
            continue
        value = arguments[name]
        if simple == "int" and type(value) is int or simple == "float" and type(value) is float:
            continue
        if hints is None:
            hints = _hints(function)
        try:
            arguments[name] = kind_of(hints[name]).decode(value)
        except Mismatch as problem:
            raise InvalidArguments(f"`{name}`: {problem}") from None
    first = []
    for index, name in enumerate(positional):
        if name in arguments:
            first.append(arguments.pop(name))
        elif any(later in arguments for later in positional[index:]):
            # It stands before one that is given.
            first.append(inspect.signature(function).parameters[name].default)
        else:
            break
    result = function(*first, **arguments)
    if is_async:
        return tasks.run(result)
    return result


def text_kinds(function):
    """What the parameters of a function can be whose arguments are text, by their names. Fails with `NotATool`."""
    hints = _hints(function)
    return {p.name: _kind(hints.get(p.name, MISSING), f"parameter `{p.name}`") for p in _parameters(function)}


def from_text(kind, text):
    """The value that a text stands for; fails with `Mismatch`. What is no text of its own is written as JSON has it."""
    try:
        return kind.decode(text)
    except Mismatch as problem:
        try:
            value = json.loads(text)
        except ValueError:
            raise problem from None
        return kind.decode(value)


def nothing_text(planned):
    """What a function returned that returned `None`, as JSON text: nothing, unless its type says that `None` is a value."""
    return "null" if planned[-1] else None


def result_text(result):
    """What a function returned as JSON text. Fails with `ToolError`."""
    try:
        if type(result) in (int, str, bool):
            # By the encoder that is there already.
            return json.dumps(utf8(result) if type(result) is str else result)
        return to_json(result)
    except NotJson as problem:
        raise ToolError(f"the tool's result cannot be JSON: {problem}") from None


def told_text(text):
    """Text of a block of content. Fails with `ToolError`."""
    try:
        return utf8(text)
    except NotJson as problem:
        raise ToolError(f"the tool's text cannot be told: {problem}") from None


def failure_text(error):
    """What the caller is told of an exception: its own words, and its type where they are none."""
    kind = type(error).__name__
    try:
        if isinstance(error, SystemExit):
            text = f"the tool ended itself with sys.exit({error.code!r}) instead of returning a result"
        else:
            text = str(error)
    except BaseException:
        # Words of its own it has none, if their making fails.
        text = ""
    if not text:
        text = kind
    elif isinstance(error, LookupError):
        text = f"{kind}: {text}"
    # What UTF-8 does not have is shown as an escape.
    return text.encode(errors="backslashreplace").decode()


def _parameters(function):
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise NotATool(f"arguments have names: instead of `*{parameter.name}` write `{parameter.name}: list`")
        if parameter.kind is parameter.VAR_KEYWORD:
            raise NotATool(f"arguments are listed: instead of `**{parameter.name}` write `{parameter.name}: dict`")
        yield parameter


def _hints(function):
    try:
        return hints_of(inspect.unwrap(function))
    except UnknownType as problem:
        raise NotATool(str(problem)) from None


def _kind(hint, what):
    if hint is MISSING:
        return types.ANY
    try:
        return kind_of(hint)
    except UnknownType as problem:
        raise NotATool(f"{what}: {problem}") from None


def note_of(hint):
    """The text in `Annotated[T, "text"]`."""
    notes = getattr(hint, "__metadata__", ())
    return next((note for note in notes if isinstance(note, str)), None)


def _output_kind(hint):
    """The kind of what is returned; none where it may be anything."""
    # Of a bare `list` nothing is known but that it is wrapped anyway; FastMCP says nothing there either.
    if hint in (MISSING, None, type(None), typing.Any, list) or _is_content(hint):
        return None
    try:
        return kind_of(hint)
    except NoType as problem:
        raise NotATool(f"its result: {problem}") from None
    except UnknownType:
        # What it returns is no matter of the caller's: a result is checked when there is one.
        return None


def _takes_none(kind):
    try:
        kind.decode(None)
    except Mismatch:
        return False
    return True


def _output(hint):
    kind = _output_kind(hint)
    if kind is None:
        return None
    definitions = {}
    schema = kind.schema(definitions)
    if "$ref" in schema:
        # The root has its properties where every client looks for them.
        schema = dict(definitions[kind.name])
    return schema | {"$defs": definitions} if definitions else schema


def _is_content(hint):
    parts = typing.get_args(hint) or (hint,)
    return any(isinstance(part, type) and issubclass(part, Block) for part in parts)
