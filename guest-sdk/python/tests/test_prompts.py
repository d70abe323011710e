import enum
import unittest

from sandglass import Image, Message, Text, Typing, complete, prompt, prompts
from sandglass.functions import InvalidArguments, NotATool


class Tone(enum.Enum):
    PLAIN = "plain"


class Prompts(unittest.TestCase):
    def setUp(self):
        prompts.prompts.clear()

    def test_a_prompt_says_of_itself_what_its_function_says(self):
        @prompt(title="Review")
        def review(code: str, tone: Tone = Tone.PLAIN) -> str:
            """Reviews code.

            Args:
                code: The code.
            """
            return code

        made = prompts.prompts["review"]
        self.assertEqual((made.name, made.title, made.description), ("review", "Review", "Reviews code."))
        arguments = [(one.name, one.description, one.required) for one in made.arguments]
        self.assertEqual(arguments, [("code", "The code.", True), ("tone", None, False)])
        self.assertEqual(review("x"), "x")

    def test_arguments_are_text_and_become_what_is_written(self):
        @prompt
        async def kinds(s: str, i: int, f: float | None = None, b: bool = False, tone: Tone = Tone.PLAIN):
            return repr((s, i, f, b, tone.name))

        def told(**arguments):
            return prompts.prompts["kinds"].messages(arguments)[0].content.text

        self.assertEqual(told(s="1", i="2"), "('1', 2, None, False, 'PLAIN')")
        self.assertEqual(told(s="", i="2", f="1.5", b="true", tone="plain"), "('', 2, 1.5, True, 'PLAIN')")
        with self.assertRaisesRegex(InvalidArguments, "`i`: 'two' is not of type integer"):
            told(s="", i="two")

    def test_messages_are_text_blocks_and_messages(self):
        for result, messages in [
            ("a", [Message(Text("a"), "user")]),
            (Image(b""), [Message(Image(b""), "user")]),
            (["a", Message("b", role="assistant")], [Message(Text("a")), Message(Text("b"), "assistant")]),
        ]:
            prompts.prompts.clear()
            prompt(lambda: result, name="one")
            self.assertEqual(prompts.prompts["one"].messages({}), messages)
        with self.assertRaisesRegex(TypeError, "a message is text or a block of content, not int"):
            Message(1)
        with self.assertRaisesRegex(ValueError, "write 'user' or 'assistant'"):
            Message("a", role="system")

    def test_an_argument_is_completed(self):
        @prompt
        def review(code: str, tone: str): ...

        @complete(review, "tone")
        def tones(typed):
            return [tone for tone in ("formal", typed.settled.get("code")) if tone and tone.startswith(typed.value)]

        suggest = prompts.prompts["review"].completers.suggest
        self.assertEqual(suggest("tone", Typing("f", {"code": "friendly"})), ["formal", "friendly"])
        self.assertEqual(suggest("code", Typing("")), [])
        with self.assertRaisesRegex(ValueError, "`review` has no argument `lines` to complete: there are `code`, `tone`"):
            complete(review, "lines")(tones)
        with self.assertRaisesRegex(TypeError, "`tones` is no prompt and no resource"):
            complete(tones, "x")

    def test_what_can_be_no_prompt_says_what_to_write(self):
        def star(*items): ...

        with self.assertRaisesRegex(NotATool, r"instead of `\*items` write `items: list`"):
            prompt(star)
        with self.assertRaisesRegex(NotATool, "rename it"):
            prompt(lambda: "", name="a b")
        prompt(lambda: "", name="twice")
        with self.assertRaisesRegex(ValueError, "two prompts are named `twice`"):
            prompt(lambda: "", name="twice")
