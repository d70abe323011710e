"""The official client over the transport of revision 2024-11-05."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.sse import sse_client


async def main(url):
    async with sse_client(url) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = await session.list_tools()
        result = await session.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})
        seen = {
            "tools": [tool.name for tool in tools.tools],
            "zone": json.loads(result.content[0].text)["timezone"],
        }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
