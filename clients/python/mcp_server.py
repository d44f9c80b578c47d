"""An MCP server whose tools need the scope `demo:read`: `mcp_server.py PORT client_secret_basic`, or `client_secret_post`.

`TOKENRY_TOKEN` is the service's own token, with the scope `introspect`.
"""

import os
import sys

from fastmcp import FastMCP
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from fastmcp.server.dependencies import get_access_token

port, method = sys.argv[1:]
# Without `cache_ttl_seconds` it keeps no verdict.
verifier = IntrospectionTokenVerifier(
    introspection_url=f"{os.environ['TOKENRY_URL']}/oauth/introspect",
    client_id="my-service",
    client_secret=os.environ["TOKENRY_TOKEN"],
    client_auth_method=method,
    required_scopes=["demo:read"],
)
server = FastMCP("reports", auth=verifier)


@server.tool
def subject() -> str:
    """Whose token the request has."""
    return get_access_token().subject


server.run("http", host="127.0.0.1", port=int(port), show_banner=False)
