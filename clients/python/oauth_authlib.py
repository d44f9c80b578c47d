"""Authlib as OAuth client and as resource server: `oauth_authlib.py client_secret_basic`, or `client_secret_post`.

`TOKENRY_TOKEN` is the service's own token with `introspect`. `GOOD` has the scope `demo:write` and is revoked, `POOR` lacks it.
Prints as JSON what the library made of each response.
"""

import json
import os
import sys
from types import SimpleNamespace

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import ResourceProtector
from authlib.oauth2.rfc7662 import IntrospectTokenValidator

ISSUER = os.environ["TOKENRY_URL"]
METHOD = sys.argv[1]
good, poor = os.environ["GOOD"], os.environ["POOR"]


def client(secret: str) -> OAuth2Session:
    return OAuth2Session(
        "my-service", secret, token_endpoint_auth_method=METHOD, revocation_endpoint_auth_method=METHOD
    )


service = client(os.environ["TOKENRY_TOKEN"])
metadata = service.get(f"{ISSUER}/.well-known/oauth-authorization-server", withhold_token=True).json()


class Introspection(IntrospectTokenValidator):
    def introspect_token(self, token_string):
        response = service.introspect_token(metadata["introspection_endpoint"], token=token_string)
        response.raise_for_status()
        return response.json()


protector = ResourceProtector()
protector.register_token_validator(Introspection())


def refused(secret: str) -> list:
    """The error of a client that has this secret."""
    asking = client(secret)
    response = asking.introspect_token(metadata["introspection_endpoint"], token=good)
    try:
        return asking.parse_response_token(response)
    except AuthlibBaseError as error:
        return [type(error).__name__, response.status_code, error.error]


def guarded(token: str | None) -> str:
    """What a route that needs `demo:read` says to the bearer of this token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        return protector.validate_request(["demo:read"], SimpleNamespace(headers=headers))["sub"]
    except AuthlibBaseError as error:
        return error.error


report = {
    "live": Introspection().introspect_token(good),
    "wrong secret": refused("pat_wrong"),
    "without introspect": refused(poor),
    "guarded": [guarded(good), guarded(poor), guarded(None)],
}
revocation = service.revoke_token(metadata["revocation_endpoint"], token=good)
revocation.raise_for_status()
report["revoked"] = Introspection().introspect_token(good)
report["guarded"].append(guarded(good))
print(json.dumps(report))
