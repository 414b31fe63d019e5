"""The gateway over HTTP: two paths, PHP's headers, and a cookie (protocol, sections 1, 2.4 and 3). The one importer of starlette.

Rule of this file: nothing of a request is logged, and nothing of the gateway is decided.
"""

from __future__ import annotations

import re

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .gateway import Gateway
from .sessions import PhpSession
from .soap import SoapFault, fault_body, read_call, result_body
from .turns import Turns
from .wsdl import wsdl

__all__ = ["SOAP_PATH", "WSDL_PATH", "ASGIApp", "Endpoints"]

SOAP_PATH = "/api/soap.html"
WSDL_PATH = "/api/wsdl.html"

# A client may send back the whole Set-Cookie, `; path=/` and all.
_COOKIE = re.compile(r"(?:^|[;,\s])PHPSESSID=([^;,\s]+)")
_NO_CACHE = {
    "Expires": "Thu, 19 Nov 1981 08:52:00 GMT",
    "Cache-Control": "no-store, no-cache, must-revalidate",
    "Pragma": "no-cache",
}
_HOLD_STEP = 0.05


class Endpoints:
    """What answers at the two paths. `app` is the ASGI application; setting `stopping` ends every hold at once."""

    def __init__(self, gateway: Gateway, turns: Turns) -> None:
        self._gateway = gateway
        self._turns = turns
        self.stopping = False
        self.app: ASGIApp = Starlette(
            routes=[
                Route(SOAP_PATH, self.soap, methods=["POST"]),
                Route(SOAP_PATH, self.nothing, methods=["GET"]),
                Route(WSDL_PATH, self.wsdl, methods=["GET"]),
            ]
        )

    async def soap(self, request: Request) -> Response:
        """Answer one operation, or a fault. The work is done first and the answer held, as a slow gateway would."""
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        found = _COOKIE.search(request.headers.get("cookie", ""))
        cookie = found[1] if found else None
        async with self._turns.taken(cookie):
            session = self._gateway.open_session(cookie)
            response = self._answer(session, body)
            if session.id != cookie:
                response.headers["Set-Cookie"] = f"PHPSESSID={session.id}; path=/"
            await self._hold()
        return response

    def _answer(self, session: PhpSession, body: bytes) -> Response:
        try:
            call = read_call(body)
        except SoapFault as fault:
            return Response(fault_body(fault), 500, {**_NO_CACHE, "Content-Type": fault.version.content_type})
        result = self._gateway.call(session, call.operation, call.arguments)
        reply = result_body(call.version, call.operation, result)
        return Response(reply, 200, {**_NO_CACHE, "Content-Type": call.version.content_type})

    async def _hold(self) -> None:
        """Wait in short steps, so that stopping need not wait for it."""
        seconds = self._gateway.settings.hold_seconds
        if seconds:
            until = anyio.current_time() + seconds
            # An event of anyio cannot be set from the thread that stops the server.
            while not self.stopping and (left := until - anyio.current_time()) > 0:  # noqa: ASYNC110
                await anyio.sleep(min(left, _HOLD_STEP))

    async def nothing(self, _request: Request) -> Response:
        """Answer GET as PHP's SoapServer does: 200 and an empty page."""
        return Response(media_type="text/html")

    async def wsdl(self, request: Request) -> Response:
        """Describe the service at the address under which the client knows it."""
        address = str(request.base_url.replace(path=SOAP_PATH))
        return Response(wsdl(address), media_type="text/xml")
