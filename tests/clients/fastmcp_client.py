"""FastMCP's client, 2.x and later, against a host: `fastmcp_client.py URL`; prints what it saw as JSON."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.exceptions import ToolError


async def main(url):
    async with Client(url) as client:
        tools = await client.list_tools()
        current = await client.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})
        try:
            await client.call_tool("get_current_time", {"timezone": "Mars/Olympus"})
            failure = None
        except ToolError as error:
            failure = str(error)
    print(json.dumps({"tools": [tool.name for tool in tools], "text": current.content[0].text, "failure": failure}))


asyncio.run(main(sys.argv[1]))
