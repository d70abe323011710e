"""What FastMCP makes of a Python source's functions: `fastmcp_schemas.py SOURCE` prints its tools as JSON."""

import asyncio
import json
import sys
import types

import typing_extensions
from fastmcp import Client, FastMCP


async def main(path):
    with open(path) as file:
        # Before Python 3.12, pydantic asks for this one.
        source = file.read().replace("NotRequired, Optional, TypedDict", "NotRequired, Optional")
    module = sys.modules["tools"] = types.ModuleType("tools")
    module.TypedDict = typing_extensions.TypedDict
    exec(compile(source, path, "exec"), module.__dict__)
    server = FastMCP("tools")
    for value in list(vars(module).values()):
        if isinstance(value, types.FunctionType) and value.__module__ == "tools":
            server.tool(value)
    async with Client(server) as client:
        tools = [tool.model_dump(by_alias=True, exclude_none=True) for tool in await client.list_tools()]
    print(json.dumps(tools))


asyncio.run(main(sys.argv[1]))
