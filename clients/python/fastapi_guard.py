"""Guards routes of FastAPI with Tokenry: copy this file. Every request is verified anew; without a verdict it is refused.

    guard = Tokenry(url="https://tokens.example.org", token=os.environ["TOKENRY_TOKEN"])

    @app.get("/reports")
    async def reports(caller: Annotated[Caller, Depends(guard.require("reports:read"))]): ...

`token` is the service's own, with the scope `introspect`.
"""

import ipaddress
import logging
import re
from typing import NamedTuple

import anyio
import httpx
from fastapi import HTTPException, Request

log = logging.getLogger(__name__)
REALM = 'Bearer realm="tokenry"'
INVALID = f'{REALM}, error="invalid_token"'


class Caller(NamedTuple):
    """Whose token a request has."""

    user: dict
    token: dict
    scopes: list[str]


class Tokenry:
    def __init__(self, url: str, token: str, timeout: float = 2.0):
        # httpx follows no redirects unless told to; without `trust_env` it uses no proxy of the environment.
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, trust_env=False)
        self._timeout = timeout

    def require(self, *scopes: str):
        """A dependency that admits only a live token with these scopes."""

        async def dependency(request: Request) -> Caller:
            body = {"token": presented(request), "scopes": scopes}
            # Behind a proxy, the host is the client's only with uvicorn's `--forwarded-allow-ips`.
            if request.client and (ip := readable(request.client.host)):
                body["ip"] = ip
            try:
                verdict = await self._verify(body)
            except Exception as error:
                # SECURITY: whatever went wrong, the caller gets no further; an error's text may quote the request.
                log.error("Tokenry gave no verdict: %s", type(error).__name__)
                raise refused(503, "service_unavailable", {"Retry-After": "2"}) from None
            if isinstance(verdict, Caller):
                return verdict
            if verdict == "insufficient_scope":
                challenge = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
                raise refused(403, verdict, {"WWW-Authenticate": challenge})
            if verdict == "ip_not_allowed":
                raise refused(403, verdict)
            raise refused(401, verdict, {"WWW-Authenticate": INVALID})

        return dependency

    async def _verify(self, body: dict) -> Caller | str:
        """The caller, or the code of the reason for refusing it."""
        with anyio.fail_after(self._timeout):
            response = await self._client.post("/api/v1/verify", json=body)
        # A 401 here is about the service's own token, not about the caller's.
        if response.status_code != 200:
            log.error("Tokenry answered %d", response.status_code)
            raise ConnectionError
        verdict = response.json()
        if verdict["valid"] is True and verdict["user"]["id"] and verdict["token"]["id"]:
            return Caller(verdict["user"], verdict["token"], verdict["scopes"])
        if verdict["valid"] is False:
            return str(verdict["code"])
        raise ValueError


def presented(request: Request) -> str:
    """The one token of the request."""
    headers = request.headers.getlist("authorization")
    if not headers:
        raise refused(401, "authentication_required", {"WWW-Authenticate": REALM})
    scheme, _, rest = headers[0].partition(" ")
    token = rest.strip(" \t")
    if len(headers) == 1 and scheme.lower() != "bearer":
        raise refused(401, "authentication_required", {"WWW-Authenticate": REALM})
    if len(headers) > 1 or not token or re.search("[ \t,]", token):
        raise refused(400, "invalid_request", {"WWW-Authenticate": 'Bearer error="invalid_request"'})
    if len(headers[0]) > 512:
        raise refused(401, "invalid_token", {"WWW-Authenticate": INVALID})
    return token


def readable(host: str) -> str | None:
    """The address without a zone; a token that is bound to addresses is refused without one."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def refused(status: int, code: str, headers: dict[str, str] | None = None) -> HTTPException:
    return HTTPException(status, code, {"Cache-Control": "no-store", **(headers or {})})
