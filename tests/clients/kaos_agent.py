"""As an agent of KAOS uses tools, with mcp 1.25: MCP_SERVERS names its servers, MCP_SERVER_<name>_URL has the address of
each, and MCP is at /mcp there; each operation opens a session, and in it a standalone stream that the SDK opens by itself.
`kaos_agent.py CALLS`, where CALLS is a JSON list of [tool, arguments]; prints what it saw as JSON."""

import asyncio
import json
import os
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def operation(address, ask):
    async with streamablehttp_client(f"{address}/mcp") as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        return await ask(session)


async def tools(address):
    listed = await operation(address, lambda session: session.list_tools())
    return [tool.name for tool in listed.tools]


async def call(address, tool, arguments):
    result = await operation(address, lambda session: session.call_tool(tool, arguments))
    return {"text": result.content[0].text, "failed": result.isError}


async def main(calls):
    servers = {name: os.environ[f"MCP_SERVER_{name}_URL"] for name in os.environ["MCP_SERVERS"].split(",")}
    offered = {name: await tools(address) for name, address in servers.items()}
    server_of = {tool: name for name, names in offered.items() for tool in names}
    # A model may ask for several calls in one turn.
    answers = await asyncio.gather(*(call(servers[server_of[tool]], tool, arguments) for tool, arguments in calls))
    print(json.dumps({"tools": offered, "answers": answers}))


asyncio.run(main(json.loads(sys.argv[1])))
