"""mcp-use against a host: `mcp_use_client.py URL`; prints what it saw as JSON."""

import asyncio
import json
import logging
import sys

from mcp_use import MCPClient


# It logs to stdout.
logging.getLogger("mcp_use").handlers.clear()


async def main(url):
    client = MCPClient({"mcpServers": {"time": {"url": url}}})
    session = await client.create_session("time")
    tools = await session.list_tools()
    current = await session.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})
    failure = await session.call_tool("get_current_time", {"timezone": "Mars/Olympus"})
    await client.close_all_sessions()
    seen = {
        "tools": [tool.name for tool in tools],
        "text": current.content[0].text,
        "failure": failure.content[0].text if failure.isError else None,
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
