"""OpenAI's Agents SDK against a host: `openai_agents.py URL`; prints what it saw as JSON."""

import asyncio
import json
import sys

from agents.mcp import MCPServerStreamableHttp


async def main(url):
    async with MCPServerStreamableHttp({"url": url}) as server:
        tools = await server.list_tools()
        current = await server.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})
        failure = await server.call_tool("get_current_time", {"timezone": "Mars/Olympus"})
    seen = {
        "tools": [tool.name for tool in tools],
        "text": current.content[0].text,
        "failure": failure.content[0].text if failure.is_error else None,
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
