"""Between the contract's types (wit/) and prompts, resources and completers: what a component exports beside tools."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import completion as wit_completion
from wit_world.exports import prompts as wit_prompts
from wit_world.exports import resources as wit_resources
from wit_world.imports import sandglass_tool_types as types

from . import guest, prompts, resources
from .completion import Typing
from .functions import InvalidArguments


class Prompts(exports.Prompts):
    """The prompts of a module that uses `@prompt`."""

    def list_prompts(self):
        return [_prompt(prompt) for prompt in prompts.prompts.values()]

    def get_prompt(self, name, arguments):
        prompt = prompts.prompts.get(name)
        if prompt is None:
            raise Err(wit_prompts.PromptError_UnknownPrompt(name))
        guest.begin()
        try:
            messages = prompt.messages(dict(arguments))
        except InvalidArguments as error:
            raise Err(wit_prompts.PromptError_InvalidArguments(str(error))) from None
        except BaseException as error:
            raise Err(wit_prompts.PromptError_Failed(guest.told(error))) from None
        messages = [
            wit_prompts.PromptMessage(types.Role[message.role.upper()], guest.block_of(message.content)) for message in messages
        ]
        return wit_prompts.PromptResult(prompt.description, messages)


class Resources(exports.Resources):
    """The resources of a module that uses `@resource`."""

    def list_resources(self):
        return [_link(one) for one in resources.resources.values() if not one.is_template]

    def list_resource_templates(self):
        return [_template(one) for one in resources.resources.values() if one.is_template]

    def read_resource(self, uri):
        guest.begin()
        try:
            contents = resources.read(uri)
        except BaseException as error:
            raise Err(wit_resources.ReadError_Failed(guest.told(error))) from None
        if contents is None:
            raise Err(wit_resources.ReadError_NotFound())
        return [guest.contents_of(one) for one in contents]


class Completion(exports.Completion):
    """What the module's completers suggest."""

    def complete(self, request):
        guest.begin()
        match request.target:
            case wit_completion.CompletionTarget_Prompt(name):
                target = prompts.prompts.get(name)
            case wit_completion.CompletionTarget_Resource(name):
                target = resources.resources.get(name)
        if target is None:
            raise Err(f"there is no prompt or resource `{name}`")
        try:
            values = target.completers.suggest(request.argument, Typing(request.value, dict(request.context)))
        except BaseException as error:
            raise Err(guest.told(error)) from None
        return wit_completion.CompletionResult(values, len(values), False)


def _prompt(prompt):
    arguments = [
        wit_prompts.PromptArgument(argument.name, None, argument.description, argument.required) for argument in prompt.arguments
    ]
    return wit_prompts.Prompt(prompt.name, prompt.title, prompt.description, arguments, [], None)


def _link(one):
    return types.ResourceLink(one.uri, one.name, one.title, one.description, one.mime_type, None, [], None, None)


def _template(one):
    return wit_resources.ResourceTemplate(one.uri, one.name, one.title, one.description, one.mime_type, [], None, None)
