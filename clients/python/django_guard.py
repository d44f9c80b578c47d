"""Guards views of Django REST framework with Tokenry: copy this file, and set `TOKENRY_URL` and `TOKENRY_TOKEN`.

    class Reports(APIView):
        authentication_classes = [TokenryAuthentication]
        required_scopes = {"GET": ["reports:read"], "POST": ["reports:write"]}

`TOKENRY_TOKEN` is the service's own, with the scope `introspect`. Every request is verified anew; without a verdict it
is refused, and so is one with a method that has no scopes. A view finds the owner in `request.user`.
"""

import ipaddress
import logging
import re
from dataclasses import dataclass, field
from functools import cache

import httpx
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException

log = logging.getLogger(__name__)
REALM = 'Bearer realm="tokenry"'
INVALID = f'{REALM}, error="invalid_token"'


class Refused(APIException):
    def __init__(self, status: int, code: str, challenge: str | None = None, wait: int | None = None):
        self.status_code, self.auth_header, self.wait = status, challenge, wait
        super().__init__(code, code)


@dataclass(frozen=True)
class Caller:
    """Whose token a request has."""

    id: str
    subject: str
    role: str
    token: dict = field(repr=False)
    scopes: list = field(repr=False)
    is_authenticated: bool = True
    is_active: bool = True


class TokenryAuthentication(BaseAuthentication):
    # SECURITY: it never returns None, which would let the request pass as one of nobody.
    def authenticate(self, request):
        token = presented(request.META.get("HTTP_AUTHORIZATION"))
        scopes = getattr(request.parser_context["view"], "required_scopes", {}).get(request.method)
        if scopes is None:
            raise Refused(403, "forbidden")
        body = {"token": token, "scopes": scopes}
        # Behind a proxy, this is the address of the proxy unless your server sets it.
        if ip := readable(request.META.get("REMOTE_ADDR", "")):
            body["ip"] = ip
        try:
            verdict = verify(body)
        except Exception as error:
            # SECURITY: whatever went wrong, the caller gets no further; an error's text may quote the request.
            log.error("Tokenry gave no verdict: %s", type(error).__name__)
            raise Refused(503, "service_unavailable", wait=2) from None
        if isinstance(verdict, Caller):
            return verdict, verdict.token
        if verdict == "insufficient_scope":
            raise Refused(403, verdict, f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"')
        raise Refused(403, verdict) if verdict == "ip_not_allowed" else Refused(401, verdict, INVALID)

    def authenticate_header(self, request):
        return REALM


@cache
def client() -> httpx.Client:
    # httpx follows no redirects unless told to; without `trust_env` it uses no proxy of the environment.
    headers = {"Authorization": f"Bearer {settings.TOKENRY_TOKEN}"}
    return httpx.Client(base_url=settings.TOKENRY_URL, headers=headers, timeout=2.0, trust_env=False)


def verify(body: dict) -> Caller | str:
    """The caller, or the code of the reason for refusing it."""
    response = client().post("/api/v1/verify", json=body)
    # A 401 here is about the service's own token, not about the caller's.
    if response.status_code != 200:
        log.error("Tokenry answered %d", response.status_code)
        raise ConnectionError
    verdict = response.json()
    if verdict["valid"] is True and verdict["user"]["id"] and verdict["token"]["id"]:
        user = verdict["user"]
        return Caller(user["id"], user["subject"], user["role"], verdict["token"], verdict["scopes"])
    if verdict["valid"] is False:
        return str(verdict["code"])
    raise ValueError


def presented(header: str | None) -> str:
    """The one token of the request; servers join repeated headers with a comma."""
    if header is None:
        raise Refused(401, "authentication_required", REALM)
    scheme, _, rest = header.partition(" ")
    token = rest.strip(" \t")
    if "," in header or (scheme.lower() == "bearer" and (not token or re.search("[ \t]", token))):
        raise Refused(400, "invalid_request", 'Bearer error="invalid_request"')
    if scheme.lower() != "bearer":
        raise Refused(401, "authentication_required", REALM)
    if len(header) > 512:
        raise Refused(401, "invalid_token", INVALID)
    return token


def readable(host: str) -> str | None:
    """The address without a zone; a token that is bound to addresses is refused without one."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None
