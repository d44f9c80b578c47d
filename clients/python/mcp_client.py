"""Calls the tool of `mcp_server.py` once with each token of standard input: `mcp_client.py PORT`. An empty line is no token.

Prints the tool's result for each, or the error.
"""

import asyncio
import sys

from fastmcp import Client


async def call(token: str) -> str:
    try:
        async with Client(f"http://127.0.0.1:{sys.argv[1]}/mcp", auth=token or None) as client:
            return (await client.call_tool("subject")).data
    except Exception as error:
        return f"{type(error).__name__}: {error}"


for line in sys.stdin:
    print(asyncio.run(call(line.strip())), flush=True)
