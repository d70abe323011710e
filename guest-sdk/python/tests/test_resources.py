import unittest

from sandglass import ResourceContents, Typing, complete, resource, resources, updated


class Resources(unittest.TestCase):
    def setUp(self):
        resources.resources.clear()

    def test_a_resource_says_what_its_uri_holds(self):
        @resource("a:text", mime_type="text/plain")
        def text():
            """A text."""
            return "text"

        @resource("a:bytes", name="some bytes")
        def some():
            return b"bytes"

        @resource("a:two", mime_type="text/plain")
        def two():
            return [ResourceContents("a:1", "one"), ResourceContents("a:2", b"two", "image/png")]

        @resource("a:number")
        def number():
            return 1

        made = resources.resources["a:text"]
        self.assertEqual((made.name, made.description, made.is_template), ("text", "A text.", False))
        self.assertEqual(resources.resources["a:bytes"].name, "some bytes")
        self.assertEqual(resources.read("a:text"), [ResourceContents("a:text", "text", "text/plain")])
        self.assertEqual(resources.read("a:bytes"), [ResourceContents("a:bytes", b"bytes")])
        self.assertEqual([one.mime_type for one in resources.read("a:two")], ["text/plain", "image/png"])
        with self.assertRaisesRegex(TypeError, "a resource holds str, bytes .* not int"):
            resources.read("a:number")
        self.assertIsNone(resources.read("a:nothing"))

    def test_the_variables_of_a_template_are_found_in_its_uris(self):
        @resource("a://{x}/{y}.txt")
        def file(x: str, y: int):
            return f"{x} {y}" if y else None

        @resource("b://{+path}")
        def tree(path):
            return path

        for uri, text in [
            ("a://caf%C3%A9%20/7.txt", "café  7"),
            ("b://b/c.txt", "b/c.txt"),
            ("a://b/seven.txt", None),
            ("a://b/0.txt", None),
            ("a://b/c/7.txt", None),
            ("a:///7.txt", None),
            ("b://", None),
        ]:
            read = resources.read(uri)
            self.assertEqual(read and read[0].body, text, uri)

    def test_a_variable_is_completed(self):
        @resource("a://{x}")
        def some(x): ...

        @complete(some, "x")
        def all_of_them(typed):
            return [typed.value + "1"]

        self.assertEqual(resources.resources["a://{x}"].completers.suggest("x", Typing("1")), ["11"])

    def test_what_can_be_no_resource_says_what_to_write(self):
        def one(x): ...

        for uri, told in [
            ("a://{y}", "its variables are `y`, and the parameters of `one` are `x`: name them alike"),
            ("a:all", "its variables are none"),
            ("a://{x", "write `{name}` or `{\\+name}`"),
            ("a://{?x}", "write `{name}` or `{\\+name}`"),
        ]:
            with self.assertRaisesRegex(ValueError, told):
                resource(uri)(one)
        resource("a://{x}")(one)
        with self.assertRaisesRegex(ValueError, "two resources are at a://{x}"):
            resource("a://{x}")(one)
        with self.assertRaisesRegex(TypeError, "a resource has a URI"):
            resource(one)

    def test_outside_a_component_nobody_hears_of_a_change(self):
        self.assertIsNone(updated("a:text"))
