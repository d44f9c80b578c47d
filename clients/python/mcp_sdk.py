"""Calls a tool of an MCP server with the official SDK: `mcp_sdk.py URL TOOL`.

The environment variable TOKEN is the token; without it none is sent. Prints the names of the tools and the result of the
tool, or the error as a person sees it.
"""

import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def call(url: str, tool: str) -> None:
    token = os.environ.get("TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            print(*[tool.name for tool in (await client.list_tools()).tools])
            result = await client.call_tool(tool, {"text": "hello"})
            print(f"result: {result.content[0].text}")


def reasons(error: BaseException) -> list[str]:
    """The errors of a group of tasks."""
    inner = getattr(error, "exceptions", None)
    return [reason for part in inner for reason in reasons(part)] if inner else [str(error)]


try:
    asyncio.run(call(*sys.argv[1:]))
except Exception as error:
    print("error:", *reasons(error))
