"""A client of the Authorization API 1.0 (OpenID AuthZEN): asks about tokens.

`TOKENRY_TOKEN` is the service's own token with `introspect`. `GOOD` has the scope `demo:write`, `POOR` lacks it, and
`REVOKED` was revoked. Prints the decisions as JSON.
"""

import json
import os

from decern.client import Client, DecernError

service = Client(os.environ["TOKENRY_URL"], token=os.environ["TOKENRY_TOKEN"])
resource = {"type": "demo", "id": "42"}


def ask(token: str, action: str = "read") -> list:
    decision = service.evaluate({"type": "token", "id": token}, action, resource, {"ip": "127.0.0.1"})
    return [decision.allowed, decision.context.get("code")]


def status_of(client: Client, subject: dict) -> int | None:
    try:
        client.evaluate(subject, "read", resource)
    except DecernError as error:
        return error.status_code


good = {"type": "token", "id": os.environ["GOOD"]}
unauthorized = Client(os.environ["TOKENRY_URL"], token=os.environ["POOR"])
report = {
    "good": ask(os.environ["GOOD"]),
    "good for writing": ask(os.environ["GOOD"], "write"),
    "poor": ask(os.environ["POOR"]),
    "revoked": ask(os.environ["REVOKED"]),
    "no token": ask("nonsense"),
    "another subject": status_of(service, {"type": "user", "id": "alice"}),
    "without a credential": status_of(Client(os.environ["TOKENRY_URL"]), good),
    "without introspect": status_of(unauthorized, good),
}
print(json.dumps(report))
