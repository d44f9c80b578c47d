"""The client that openapi-python-client generates, against TOKENRY_URL with the token TOKENRY_TOKEN."""

import os

from tokenry_api import AuthenticatedClient
from tokenry_api.api.tokens import create_token, list_tokens, revoke_token, rotate_token, show_own_token
from tokenry_api.api.verification import introspect_token, revoke_presented
from tokenry_api.models import CreateToken, CreatedToken, Introspection, Problem, RotateToken, Token, TokenPage
from tokenry_api.models import IntrospectionForm, RevocationForm, TokenSort


def client(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=os.environ["TOKENRY_URL"], token=token)


def introspect(text: str) -> Introspection:
    found = introspect_token.sync(client=root, body=IntrospectionForm(token=text))
    assert isinstance(found, Introspection), found
    return found


root = client(os.environ["TOKENRY_TOKEN"])

created = []
for name in ["python-1", "python-2", "python-3"]:
    token = create_token.sync(client=root, body=CreateToken(name=name, scopes=["demo:read"]))
    assert isinstance(token, CreatedToken), token
    created.append(token)
first, second, _ = created

names = []
cursor = None
while True:
    more = {"cursor": cursor} if cursor else {}
    page = list_tokens.sync(client=root, search="python-", limit=2, sort=TokenSort.NAME, **more)
    assert isinstance(page, TokenPage), page
    assert page.total == 3
    names += [token.name for token in page.data]
    cursor = page.next_cursor
    if not cursor:
        break
assert names == ["python-1", "python-2", "python-3"], names

rotated = rotate_token.sync(client=root, id=first.id, body=RotateToken(grace_seconds=0))
assert isinstance(rotated, CreatedToken), rotated
assert rotated.token != first.token
assert not introspect(first.token).active
live = introspect(rotated.token)
assert live.active and live.jti == first.id, live

shown = show_own_token.sync(client=client(rotated.token))
assert isinstance(shown, Token) and shown.id == first.id, shown

assert revoke_token.sync_detailed(client=root, id=first.id).status_code == 204
assert not introspect(rotated.token).active
refused = show_own_token.sync_detailed(client=client(rotated.token))
assert refused.status_code == 401 and isinstance(refused.parsed, Problem), refused
assert refused.parsed.code == "revoked_token", refused.parsed

revoke_presented.sync_detailed(client=root, body=RevocationForm(token=second.token))
assert not introspect(second.token).active

problem = create_token.sync(client=root, body=CreateToken(name=""))
assert isinstance(problem, Problem) and problem.code == "validation_failed", problem
assert problem.errors[0].pointer == "/name", problem
