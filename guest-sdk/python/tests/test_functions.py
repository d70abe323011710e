import dataclasses
import datetime
import decimal
import enum
import functools
import typing
import unittest

from sandglass import Image, tool, tools
from sandglass.content import Text, blocks_of
from sandglass.functions import InvalidArguments, NotATool, ToolError, call, describe, failure_text, nothing_text, plan, result_text, told_text


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 2


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError


def called(function, **arguments):
    return call(function, plan(function), arguments)


class Functions(unittest.TestCase):
    def test_a_function_is_described_by_its_types_and_docstring(self):
        def add(a: int, b: typing.Annotated[int, "The other."] = 1) -> int:
            """Add two numbers.

            Args:
                a: The one.
            """
            return a + b

        description = describe(add)
        self.assertEqual((description.name, description.description), ("add", "Add two numbers."))
        properties = {
            "a": {"type": "integer", "description": "The one."},
            "b": {"type": "integer", "description": "The other.", "default": 1},
        }
        self.assertEqual(
            description.input_schema,
            {"type": "object", "properties": properties, "required": ["a"], "additionalProperties": False},
        )
        self.assertEqual(description.output_schema, {"type": "integer"})

    def test_arguments_come_as_the_types_that_are_written(self):
        def kinds(i: int, color: Color, point: Point, day: datetime.date, any=None):
            return i, color, point, day, any

        found = called(kinds, i=1.0, color="red", point={"x": 1}, day="2026-07-01", any=[1])
        self.assertEqual(found, (1, Color.RED, Point(1, 2), datetime.date(2026, 7, 1), [1]))
        self.assertIs(type(found[0]), int)

    def test_what_is_of_another_type_names_its_place(self):
        def plot(points: typing.List[Point]):
            return points

        with self.assertRaisesRegex(InvalidArguments, r"`points`: 1: x: 'a' is not of type integer"):
            called(plot, points=[{"x": 1}, {"x": "a"}])
        with self.assertRaisesRegex(InvalidArguments, r"`points`: 0: `x` is missing"):
            called(plot, points=[{}])

    def test_a_union_takes_what_fits_best(self):
        def either(x: typing.Union[float, int, Point, None]):
            return x

        for given, found in [(1, 1), (1.5, 1.5), ({"x": 1}, Point(1)), (None, None)]:
            self.assertEqual((called(either, x=given), type(called(either, x=given))), (found, type(found)))

    def test_positional_only_parameters_and_coroutines_are_called(self):
        async def add(a: int, b: int = 2, /, *, c: int = 3):
            return a + b + c

        self.assertEqual(called(add, a=1, c=10), 13)

    def test_a_positional_only_parameter_may_be_left_out_before_one_that_is_given(self):
        def pair(a: int = 1, b: int = 2, /):
            return a, b

        self.assertEqual(called(pair, b=5), (1, 5))
        self.assertEqual(called(pair, a=5), (5, 2))
        self.assertEqual(called(pair), (1, 2))

    def test_none_is_a_value_where_the_type_of_the_result_takes_it(self):
        for hint in (typing.Optional[str], typing.Union[dict, None], typing.Literal["a", None], object):
            def function() -> hint: ...

            self.assertEqual(nothing_text(plan(function)), "null", hint)
        for hint in (str, None, typing.Any, list, Point, typing.Optional[Image]):
            def function() -> hint: ...

            self.assertIsNone(nothing_text(plan(function)), hint)

    def test_what_can_be_no_tool_says_what_to_write(self):
        def star(*items): ...
        def stars(**options): ...
        def unknown(x: "Missing"): ...
        def pattern(x: typing.Pattern): ...

        def of_list(x: [int]): ...
        def of_tuple(x: (int, str)): ...
        def of_dict(x: {"a": int}): ...
        def to_list() -> [int]: ...
        def failing(x: "1 / 0"): ...
        def union(x: typing.Union): ...
        def literal(x: typing.Literal[()]): ...
        def empty(x: enum.Enum("Nothing", [])): ...

        for function, told in [
            (of_list, r"parameter `x`: `\[int\]` is a value and no type: write `list\[int\]`"),
            (of_tuple, r"`\(int, str\)` is a value and no type: write `tuple\[int, str\]`"),
            (of_dict, r"`\{'a': int\}` is a value and no type: write `dict\[str, T\]`"),
            (to_list, r"its result: `\[int\]` is a value and no type"),
            (failing, "an annotation is no type: division by zero"),
            (union, r"write Union\[A, B\]"),
            (literal, "`Literal` names no value"),
            (empty, "Nothing has no members"),
            (star, r"instead of `\*items` write `items: list`"),
            (stars, r"instead of `\*\*options` write `options: dict`"),
            (unknown, "names `Missing`, which is not defined"),
            (pattern, "is not a type that JSON can have: use str, int"),
        ]:
            with self.assertRaisesRegex(NotATool, told):
                describe(function)
        with self.assertRaisesRegex(NotATool, "rename it"):
            describe(star, "a b")

    def test_results_are_json_or_content(self):
        for result, text in [
            (1, "1"),
            ("ä", '"\\u00e4"'),
            ([Point(1)], '[{"x":1,"y":2}]'),
            ({"d": datetime.date(2026, 7, 1), "c": Color.RED, "s": {1}}, '{"d":"2026-07-01","c":"red","s":[1]}'),
            ((n for n in (1, 2)), "[1,2]"),
        ]:
            self.assertEqual(result_text(result), text)
        for result in (float("nan"), object(), {(1, 2): 3}):
            with self.assertRaisesRegex(ToolError, "result cannot be JSON"):
                result_text(result)
        self.assertEqual(blocks_of(["text", Image(b"")]), [Text("text"), Image(b"")])
        self.assertIsNone(blocks_of(["text"]))

    def test_an_exception_tells_its_own_words(self):
        for error, text in [
            (ValueError("the kettle is empty"), "the kettle is empty"),
            (KeyError("k"), "KeyError: 'k'"),
            (RuntimeError(), "RuntimeError"),
            (SystemExit(3), "the tool ended itself with sys.exit(3) instead of returning a result"),
            (ValueError("x\ud800y"), "x\\ud800y"),
            (Speechless(), "Speechless"),
        ]:
            self.assertEqual(failure_text(error), text)

    def test_halves_of_characters_are_no_result(self):
        for result in ("\ud800", ["\ud800"], {"\ud800": 1}):
            with self.assertRaisesRegex(ToolError, r"it holds '\\ud800', which is half a character"):
                result_text(result)
        with self.assertRaisesRegex(ToolError, "half a character"):
            told_text("\ud800")

    def test_what_is_no_number_and_no_key_is_named(self):
        def takes(d: decimal.Decimal = None, keys: typing.Dict[int, str] = None):
            return d, keys

        self.assertEqual(called(takes, d="1.5", keys={"1": "a"}), (decimal.Decimal("1.5"), {1: "a"}))
        with self.assertRaisesRegex(InvalidArguments, "^`d`: 'abc': it is no decimal number$"):
            called(takes, d="abc")
        with self.assertRaisesRegex(InvalidArguments, "^`keys`: the key 'b' is not of type integer$"):
            called(takes, keys={"b": "x"})

    def test_a_dataclass_may_have_defaults_that_json_has_not(self):
        @dataclasses.dataclass
        class Odd:
            far: float = float("inf")
            thing: typing.Any = dataclasses.field(default=object, repr=False)
            near: int = 1

        def takes(odd: Odd): ...

        properties = describe(takes).input_schema["properties"]["odd"]["properties"]
        self.assertEqual(properties, {"far": {"type": "number"}, "thing": {}, "near": {"type": "integer", "default": 1}})

    def test_a_class_with_an_annotation_that_is_none_is_named(self):
        @dataclasses.dataclass
        class Undefined:
            a: "Foo" = 1

        @dataclasses.dataclass
        class Listed:
            a: [int]

        def undefined(x: Undefined): ...
        def listed(x: Listed): ...

        with self.assertRaisesRegex(NotATool, "parameter `x`: `Undefined`: an annotation names `Foo`"):
            describe(undefined)
        with self.assertRaisesRegex(NotATool, r"parameter `x`: `Listed.a`: `\[int\]` is a value"):
            describe(listed)

    def test_required_and_not_required_count_where_annotations_are_text(self):
        class Some(typing.TypedDict):
            a: "int"
            b: "typing.NotRequired[str]"

        class Few(typing.TypedDict, total=False):
            a: "typing.Annotated[typing.Required[int], 'The a.']"
            b: "str"

        def takes(some: Some, few: Few):
            return some, few

        properties = describe(takes).input_schema["properties"]
        self.assertEqual([properties[name]["required"] for name in ("some", "few")], [["a"], ["a"]])
        self.assertEqual(called(takes, some={"a": 1}, few={"a": 2}), ({"a": 1}, {"a": 2}))
        with self.assertRaisesRegex(InvalidArguments, "`few`: `a` is missing"):
            called(takes, some={"a": 1}, few={})

    def test_a_decorated_function_is_still_one(self):
        @tool(title="Adds", read_only=True)
        def adds(a: int) -> int:
            return a + 1

        self.assertEqual(adds(1), 2)
        self.assertIn("adds", tools.tools)
        @tool
        @functools.lru_cache
        def doubles(a: int) -> int:
            return a * 2

        self.assertEqual(called(tools.tools["doubles"][0], a=4), 8)
        with self.assertRaisesRegex(ValueError, "two tools are named `adds`"):
            tool(lambda a: a, name="adds")
