"""mcp 2.x with a bearer token: `TOKEN=.. bearer.py MODE URL`; prints the tools and a sum as JSON."""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(mode, url):
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=120) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=120) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool("add", {"a": 1, "b": 2})
    print(json.dumps({"tools": [tool.name for tool in tools], "sum": result.structured_content}))


asyncio.run(main(sys.argv[1], sys.argv[2]))
