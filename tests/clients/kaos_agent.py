"""As an agent of KAOS uses tools, with mcp 1.25: a session for each operation, and in each a standalone stream that the
SDK opens by itself. `kaos_agent.py URL`; prints what it saw as JSON."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def operation(url, ask):
    async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        return await ask(session)


async def current_time(url, timezone):
    return await operation(url, lambda session: session.call_tool("get_current_time", {"timezone": timezone}))


async def main(url):
    tools = (await operation(url, lambda session: session.list_tools())).tools
    # A model may ask for several calls in one turn.
    current, failure = await asyncio.gather(current_time(url, "Europe/Warsaw"), current_time(url, "Mars/Olympus"))
    seen = {
        "tools": [tool.name for tool in tools],
        "text": current.content[0].text,
        "failure": failure.content[0].text if failure.isError else None,
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
