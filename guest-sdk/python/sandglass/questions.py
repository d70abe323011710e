"""Questions to the person or the model behind the client.

The host may end the call at a question and run it again from its start with the answers at hand. So one rule holds:
what happens before a question may happen again.
"""

import dataclasses
import json
import typing

from . import forms, host
from .host import AskError
from .types import Mismatch


@dataclasses.dataclass
class Elicited:
    """What a person did with a form or a page: `action` is `accept`, `decline` or `cancel`.

    `value` is the filled form; only with `accept`.
    """

    action: str
    value: typing.Any = None


@dataclasses.dataclass
class Root:
    """A folder or file that the client lets servers work on."""

    uri: str
    name: str | None = None


@dataclasses.dataclass
class Form:
    """Asks a person to fill in a form: a dataclass, or a JSON Schema as a dict. The answer is `Elicited`."""

    key: str
    message: str
    form: "type | dict"


@dataclasses.dataclass
class Page:
    """Asks a person to open a page. The answer is `Elicited`. `id` names it in a later notice that it is done."""

    key: str
    message: str
    url: str
    id: str


@dataclasses.dataclass
class Sample:
    """Asks the model: the parameters of MCP `sampling/createMessage`. The answer is its result, a dict."""

    key: str
    parameters: dict


@dataclasses.dataclass
class Roots:
    """Asks for the folders and files that the client lets servers work on. The answer is a list of `Root`."""

    key: str = "roots"


def ask(questions):
    """Asks all questions at once; the answers in their order. Fails with `AskError`.

    A question's key is its name within this call.
    """
    if host.host is None:
        raise AskError("unsupported", "there is no host outside a component")
    answers = host.ask([_question(question) for question in questions])
    return [_answer(question, answer) for question, answer in zip(questions, answers)]


def elicit(key, message, form):
    """Asks a person to fill in a form; `Elicited`. Fails with `AskError`.

    `form` is a dataclass whose fields are text, numbers, booleans, choices (`Literal`, `Enum`), or `| None` with these;
    `Annotated[str, ".."]` describes one. Or it is a JSON Schema as a dict, and the value a dict.
    """
    return ask([Form(key, message, form)])[0]


def elicit_url(key, message, url, id):
    """Asks a person to open a page; `Elicited`. Fails with `AskError`."""
    return ask([Page(key, message, url, id)])[0]


def sample(key, parameters):
    """Asks the model: parameters and result of MCP `sampling/createMessage`, as dicts. Fails with `AskError`."""
    return ask([Sample(key, parameters)])[0]


def list_roots(key="roots"):
    """The folders and files that the client lets servers work on, as `Root`. Fails with `AskError`."""
    return ask([Roots(key)])[0]


def _question(question):
    wit = host.types
    match question:
        case Form(_, message, form):
            kind = wit.QuestionKind_ElicitForm(wit.FormElicitation(message, json.dumps(forms.schema_of(form))))
        case Page(_, message, url, id):
            kind = wit.QuestionKind_ElicitUrl(wit.UrlElicitation(message, url, id))
        case Sample(_, parameters):
            kind = wit.QuestionKind_Sample(json.dumps(parameters))
        case Roots():
            kind = wit.QuestionKind_ListRoots()
        case _:
            raise TypeError(f"a question is a Form, Page, Sample or Roots, not {type(question).__name__}")
    return wit.Question(question.key, kind)


def _answer(question, answer):
    wit = host.types
    match question, answer:
        case (Form() | Page()), wit.Answer_Elicited(answer):
            action = answer.action.name.lower()
            if isinstance(question, Page) or action != "accept":
                return Elicited(action)
            try:
                return Elicited(action, forms.read(question.form, json.loads(answer.content or "{}")))
            except Mismatch as problem:
                raise AskError("failed", f"the answer to `{question.key}` does not fit: {problem}") from None
        case Sample(), wit.Answer_Sampled(result):
            return json.loads(result)
        case Roots(), wit.Answer_Roots(roots):
            return [Root(root.uri, root.name) for root in roots]
    raise AskError("failed", f"the answer to `{question.key}` is of another kind")
