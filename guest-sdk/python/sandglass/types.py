"""From a Python type to a JSON Schema, and from JSON to values of that type.

The schemas are those that FastMCP makes of the same annotations, without titles.
"""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import types
import typing
import uuid

KNOWN = (
    "str, int, float, bool, list[T], dict[str, T], tuple, set, None, Optional[T], Union, Literal, Any, Enum, "
    "dataclasses, TypedDict, datetime, date, time, Decimal, UUID and bytes"
)


class UnknownType(Exception):
    """An annotation that no schema can be made of; the text says which, and what to write instead."""


class NoType(UnknownType):
    """An annotation that is a value, where a type belongs."""


class Mismatch(Exception):
    """A JSON value that is not of the type; the text says where, and what is due."""


class Kind:
    """A type that arguments and results can have."""

    #: Whether a JSON value of this type is what the function gets, as `json.loads` made it.
    plain = False

    def schema(self, definitions):
        """Its JSON Schema. Schemas of recursive types go into `definitions`."""
        raise NotImplementedError

    def decode(self, value):
        """A value of the type, or `Mismatch`."""
        raise NotImplementedError


class _Any(Kind):
    plain = True

    def schema(self, definitions):
        return {}

    def decode(self, value):
        return value


class _Plain(Kind):
    """What JSON and Python write alike."""

    plain = True

    def __init__(self, python, json):
        self.python, self.json = python, json

    def schema(self, definitions):
        return {"type": self.json}

    def decode(self, value):
        if type(value) is not self.python:
            raise Mismatch(f"{_shown(value)} is not of type {self.json}")
        return value


class _Int(Kind):
    """JSON's `1.0` is an integer."""

    def schema(self, definitions):
        return {"type": "integer"}

    def decode(self, value):
        if type(value) is int:
            return value
        if type(value) is float and value.is_integer():
            return int(value)
        raise Mismatch(f"{_shown(value)} is not of type integer")


class _Float(Kind):
    """JSON's `1` is a number."""

    def schema(self, definitions):
        return {"type": "number"}

    def decode(self, value):
        if type(value) in (int, float):
            return float(value)
        raise Mismatch(f"{_shown(value)} is not of type number")


class _Text(Kind):
    """What JSON has as text, and Python as a type of its own."""

    def __init__(self, schema, read):
        self.text_schema, self.read = schema, read

    def schema(self, definitions):
        return dict(self.text_schema)

    def decode(self, value):
        if type(value) not in (str, int, float):
            raise Mismatch(f"{_shown(value)} is not text")
        try:
            return self.read(value)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Mismatch(f"{_shown(value)}: {error or type(error).__name__}") from None


class _Choice(Kind):
    """One of several values: `Literal`, or the values of an `Enum`."""

    def __init__(self, values, make=None, description=None):
        self.values, self.make, self.description = values, make, description
        self.plain = make is None

    def schema(self, definitions):
        values = list(self.values)
        kinds = {type(value) for value in values}
        schema = {"const": values[0]} if len(values) == 1 and self.plain else {"enum": values}
        if len(kinds) == 1 and (json := _JSON_NAMES.get(kinds.pop())):
            schema["type"] = json
        if self.description:
            schema["description"] = self.description
        return schema

    def decode(self, value):
        for known in self.values:
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return self.make(known) if self.make else known
        raise Mismatch(f"{_shown(value)} is none of {', '.join(map(_shown, self.values))}")


class _List(Kind):
    def __init__(self, item, make=list, unique=False):
        self.item, self.make, self.unique = item, make, unique
        self.plain = make is list and item.plain

    def schema(self, definitions):
        schema = {"type": "array", "items": self.item.schema(definitions)}
        if self.unique:
            schema["uniqueItems"] = True
        return schema

    def decode(self, value):
        if type(value) is not list:
            raise Mismatch(f"{_shown(value)} is not of type array")
        return self.make([_at(index, self.item, item) for index, item in enumerate(value)])


class _Tuple(Kind):
    def __init__(self, items):
        self.items = items

    def schema(self, definitions):
        size = len(self.items)
        items = [item.schema(definitions) for item in self.items]
        schema = {"type": "array", "minItems": size, "maxItems": size}
        return schema | {"prefixItems": items} if items else schema

    def decode(self, value):
        if type(value) is not list or len(value) != len(self.items):
            raise Mismatch(f"{_shown(value)} is not a list of {len(self.items)}")
        pairs = enumerate(zip(self.items, value))
        return tuple(_at(index, kind, item) for index, (kind, item) in pairs)


class _Dict(Kind):
    def __init__(self, key, item):
        self.key, self.item = key, item
        self.plain = key is str and item.plain

    def schema(self, definitions):
        # As FastMCP writes what takes anything.
        return {"type": "object", "additionalProperties": self.item.schema(definitions) or True}

    def decode(self, value):
        if type(value) is not dict:
            raise Mismatch(f"{_shown(value)} is not of type object")
        return {self._key(key): _at(key, self.item, item) for key, item in value.items()}

    def _key(self, key):
        try:
            return self.key(key)
        except ValueError:
            raise Mismatch(f"the key {_shown(key)} is not of type {_JSON_NAMES[self.key]}") from None


class _Union(Kind):
    def __init__(self, options):
        self.options = options
        self.plain = all(option.plain for option in options)

    def schema(self, definitions):
        return {"anyOf": [option.schema(definitions) for option in self.options]}

    def decode(self, value):
        problems = []
        # What is of the very type comes before what can be made one: `int | float` keeps 1 as it is.
        for option in sorted(self.options, key=lambda option: not _is_exact(option, value)):
            try:
                return option.decode(value)
            except Mismatch as problem:
                problems.append(str(problem))
        raise Mismatch("; ".join(problems))


class _Fields(Kind):
    """An object with known properties: a dataclass or a `TypedDict`."""

    def __init__(self, name, make, description=None):
        self.name, self.make, self.description = name, make, description
        #: name -> (kind, has a default, the default in JSON or `MISSING`); filled after it is known by its name.
        self.fields = {}
        self.recursive = False

    def schema(self, definitions):
        if self.recursive:
            if self.name not in definitions:
                definitions[self.name] = None
                definitions[self.name] = self._object(definitions)
            return {"$ref": f"#/$defs/{self.name}"}
        return self._object(definitions)

    def _object(self, definitions):
        properties, required = {}, []
        for name, (kind, optional, default) in self.fields.items():
            properties[name] = kind.schema(definitions)
            if not optional:
                required.append(name)
            elif default is not MISSING:
                properties[name]["default"] = default
        schema = {"type": "object", "properties": properties}
        if self.description:
            schema["description"] = self.description
        return schema | {"required": required} if required else schema

    def decode(self, value):
        if type(value) is not dict:
            raise Mismatch(f"{_shown(value)} is not of type object")
        found = {}
        for name, (kind, optional, _) in self.fields.items():
            if name in value:
                found[name] = _at(name, kind, value[name])
            elif not optional:
                raise Mismatch(f"`{name}` is missing")
        return self.make(**found)


MISSING = dataclasses.MISSING

_JSON_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

ANY = _Any()


def _decimal(value):
    try:
        return decimal.Decimal(str(value))
    except decimal.InvalidOperation:
        raise ValueError("it is no decimal number") from None


_SIMPLE = {
    typing.Any: ANY,
    object: ANY,
    str: _Plain(str, "string"),
    bool: _Plain(bool, "boolean"),
    None: _Plain(type(None), "null"),
    type(None): _Plain(type(None), "null"),
    int: _Int(),
    float: _Float(),
    datetime.datetime: _Text({"type": "string", "format": "date-time"}, datetime.datetime.fromisoformat),
    datetime.date: _Text({"type": "string", "format": "date"}, datetime.date.fromisoformat),
    datetime.time: _Text({"type": "string", "format": "time"}, datetime.time.fromisoformat),
    uuid.UUID: _Text({"type": "string", "format": "uuid"}, uuid.UUID),
    bytes: _Text({"type": "string", "format": "binary"}, str.encode),
    decimal.Decimal: _Text({"anyOf": [{"type": "number"}, {"type": "string"}]}, _decimal),
}

# A tool's own tests may run on a Python that has not all of them yet.
_WRAPPERS = tuple(
    getattr(typing, name)
    for name in ("Annotated", "Required", "NotRequired", "ReadOnly")
    if hasattr(typing, name)
)
_ALIASES = tuple(filter(None, [getattr(typing, "TypeAliasType", None)]))

_LISTS = {list: list, set: set, frozenset: frozenset}

_ABSTRACT = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


def hints_of(thing):
    """The annotations of a function or a class, by their names. Fails with `UnknownType`."""
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except NameError as error:
        raise UnknownType(f"an annotation names `{error.name}`, which is not defined: define it, or import it") from None
    except Exception as error:
        # Whatever the annotation's own expression fails with.
        raise UnknownType(f"an annotation is no type: {error}") from None


def kind_of(annotation, seen=None):
    """The kind that an annotation stands for. Fails with `UnknownType`."""
    seen = {} if seen is None else seen
    if isinstance(annotation, str):
        raise UnknownType(f"`{annotation}` is not defined; define it above the function, or import it")
    if isinstance(annotation, (list, tuple, set, dict)):
        raise NoType(f"`{_written(annotation)}` is a value and no type: write {_meant(annotation)}")
    try:
        if annotation in _SIMPLE:
            return _SIMPLE[annotation]
        if annotation in seen:
            seen[annotation].recursive = True
            return seen[annotation]
    except TypeError:
        pass
    if isinstance(annotation, _ALIASES):
        return kind_of(annotation.__value__, seen)
    if isinstance(annotation, typing.NewType):
        return kind_of(annotation.__supertype__, seen)
    origin = typing.get_origin(annotation) or annotation
    arguments = typing.get_args(annotation)
    if origin in _WRAPPERS:
        return kind_of(arguments[0], seen)
    if origin is typing.Literal:
        return _literal(arguments)
    if origin in (typing.Union, types.UnionType):
        if not arguments:
            raise UnknownType("`Union` says of no type: write Union[A, B] or A | B")
        return _Union([kind_of(argument, seen) for argument in arguments])
    if not isinstance(origin, type):
        raise UnknownType(f"{_named(annotation)} is not a type that JSON can have: use {KNOWN}")
    origin = _ABSTRACT.get(origin, origin)
    if origin in _LISTS:
        item = kind_of(arguments[0], seen) if arguments else ANY
        return _List(item, _LISTS[origin], unique=origin is not list)
    if origin is tuple:
        if not arguments or arguments[-1] is ...:
            return _List(kind_of(arguments[0], seen) if arguments else ANY, tuple)
        return _Tuple([kind_of(argument, seen) for argument in arguments])
    if origin is dict:
        key, item = arguments or (str, typing.Any)
        if key not in (str, int, float, typing.Any):
            raise UnknownType(f"{_named(annotation)} has keys that JSON does not: write dict[str, T]")
        return _Dict(str if key is typing.Any else key, kind_of(item, seen))
    if issubclass(origin, enum.Enum):
        values = [member.value for member in origin]
        if not values:
            raise UnknownType(f"{origin.__name__} has no members, so that no value is one: add them")
        if any(type(value) not in _JSON_NAMES for value in values):
            raise UnknownType(f"the values of {origin.__name__} are not text or numbers: give them such values")
        return _Choice(values, origin, _docstring(origin))
    if typing.is_typeddict(origin):
        return _typed_dict(origin, seen)
    if dataclasses.is_dataclass(origin):
        return _dataclass(origin, seen)
    raise UnknownType(f"{_named(annotation)} is not a type that JSON can have: use {KNOWN}")


def _literal(values):
    if not values:
        raise UnknownType('`Literal` names no value: write Literal["a", "b"]')
    for value in values:
        if isinstance(value, enum.Enum) or type(value) not in _JSON_NAMES:
            raise UnknownType(f"Literal[{value!r}] is not text, a number, a boolean or None: write those")
    return _Choice(values)


def _dataclass(cls, seen):
    from .values import NotJson, to_json_value

    kind = seen[cls] = _Fields(cls.__name__, cls, _docstring(cls))
    hints = _hints_in(cls)
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        default, optional = MISSING, False
        if field.default is not MISSING:
            optional = True
            try:
                default = to_json_value(field.default)
            except NotJson:
                # It has no place in a schema; the field is optional all the same.
                pass
        elif field.default_factory is not MISSING:
            optional = True
        kind.fields[field.name] = (_kind_in(cls, field.name, hints[field.name], seen), optional, default)
    del seen[cls]
    return kind


def _typed_dict(cls, seen):
    kind = seen[cls] = _Fields(cls.__name__, dict, _docstring(cls))
    for name, hint in _hints_in(cls).items():
        required = _says_required(hint)
        if required is None:
            required = name in cls.__required_keys__
        kind.fields[name] = (_kind_in(cls, name, hint, seen), not required, MISSING)
    del seen[cls]
    return kind


def _says_required(hint):
    """What `Required` and `NotRequired` say. Where annotations are text, the class knows nothing of them."""
    while (origin := typing.get_origin(hint)) in _WRAPPERS:
        if origin is getattr(typing, "Required", None):
            return True
        if origin is getattr(typing, "NotRequired", None):
            return False
        hint = typing.get_args(hint)[0]
    return None


def _hints_in(cls):
    try:
        return hints_of(cls)
    except UnknownType as problem:
        raise UnknownType(f"`{cls.__name__}`: {problem}") from None


def _kind_in(cls, name, hint, seen):
    try:
        return kind_of(hint, seen)
    except UnknownType as problem:
        raise type(problem)(f"`{cls.__name__}.{name}`: {problem}") from None


def _docstring(cls):
    """A class's own docstring, not the one that `@dataclass` writes."""
    text = cls.__dict__.get("__doc__")
    return None if not text or text.startswith(f"{cls.__name__}(") else inspect.cleandoc(text)


def _is_exact(kind, value):
    if isinstance(kind, _Plain):
        return type(value) is kind.python
    if isinstance(kind, _Int):
        return type(value) is int
    if isinstance(kind, _Float):
        return type(value) is float
    return False


def _at(place, kind, value):
    try:
        return kind.decode(value)
    except Mismatch as problem:
        raise Mismatch(f"{place}: {problem}") from None


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _written(annotation):
    """An annotation as the author has it."""
    match annotation:
        case list():
            return f"[{', '.join(map(_written, annotation))}]"
        case tuple():
            return f"({', '.join(map(_written, annotation))})"
        case set():
            return "{" + ", ".join(map(_written, annotation)) + "}"
        case dict():
            return "{" + ", ".join(f"{key!r}: {_written(value)}" for key, value in annotation.items()) + "}"
    return getattr(annotation, "__name__", None) or repr(annotation)


def _meant(annotation):
    """The type that who annotated with a value most likely means."""
    match annotation:
        case [item] if isinstance(annotation, list):
            return f"`list[{_written(item)}]`"
        case tuple():
            return f"`tuple[{', '.join(map(_written, annotation))}]`"
        case set():
            return f"`set[{' | '.join(map(_written, annotation))}]`"
        case dict():
            return "`dict[str, T]`, or a TypedDict with these keys"
    return "`list[T]`"


def _named(annotation):
    return f"`{getattr(annotation, '__name__', None) or annotation}`"
