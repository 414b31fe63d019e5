"""The sandbox over HTTP: the gateway's two paths with PHP's headers and cookie, the inbox page and the JSON API.

The one importer of starlette (docs: wire format, "PHP" and "Cookies").

Rule of this file: nothing of a request is logged, and nothing of the gateway is decided.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

import anyio
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .api import REQUESTS, Api, Asked, Json, state
from .faults import ConnectionEnd, FaultRule, PreparedReply
from .origin_check import refusal_of
from .page import HEADERS, page_file
from .session_lock import Turns
from .sessions import PhpSession
from .soap import Call, SoapFault, fault_body, read_call, result_body
from .store import RawExchange
from .wire import Wire
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
_NO_WORK = PreparedReply(200, "text/html", b"")

_NEWS_SECONDS = 0.1
"""The least time between two events."""
_MOVING_SECONDS = 0.5
"""Between two events while nothing changes but delivery statuses."""
_HEARTBEAT_SECONDS = 15.0

_Endpoint = Callable[[Request], Awaitable[Response]]


class Endpoints:
    """What answers at each path. `app` is the ASGI application; setting `stopping` ends every hold and every stream at once."""

    def __init__(self, api: Api, turns: Turns, names: Collection[str]) -> None:
        self._api = api
        self._gateway = api.gateway
        self._turns = turns
        self._names = names
        self.stopping = False
        self._routes = Starlette(
            routes=[
                Route(SOAP_PATH, self.soap, methods=["POST"]),
                Route(SOAP_PATH, self.nothing, methods=["GET"]),
                Route(WSDL_PATH, self.wsdl, methods=["GET"]),
                Route("/sandbox/events", self.events, methods=["GET"]),
                *(
                    Route(path, self._answering(answer), methods=[method])
                    for method, path, answer in REQUESTS
                ),
                Route("/", self.page, methods=["GET"]),
                Route("/static/{name}", self.page, methods=["GET"]),
            ]
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless it comes from another web page."""
        refusal = refusal_of(Headers(scope=scope), self._names) if scope["type"] == "http" else None
        await (PlainTextResponse(refusal, 403) if refusal else self._routes)(scope, receive, send)

    # The gateway

    async def soap(self, request: Request) -> Response:
        """Answer one operation, or a fault. The work is done first and the answer held, as a slow gateway would."""
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        found = _COOKIE.search(request.headers.get("cookie", ""))
        cookie = found[1] if found else None
        async with self._turns.taken(cookie):
            try:
                call = read_call(body)
            except SoapFault as fault:
                session = self._gateway.open_session(cookie)
                reply = PreparedReply(500, fault.version.content_type, fault_body(fault))
                rule = None
            else:
                rule = self._api.faults.strike(call.operation.name)
                session = self._gateway.open_session(cookie)
                if rule and rule.row.forgets:
                    session = self._gateway.lose_session(session)
                reply = self._answer(session, call, body, rule)
            await self._hold(self._gateway.settings.hold_seconds + ((rule and rule.seconds) or 0))
            if rule and rule.row.ends:
                return await self._end(request, rule.row.ends, reply)
        response = Response(
            reply.body, reply.status, {**_NO_CACHE, "Content-Type": reply.content_type}
        )
        if session.id != cookie:
            response.headers["Set-Cookie"] = f"PHPSESSID={session.id}; path=/"
        return response

    def _answer(
        self, session: PhpSession, call: Call, body: bytes, rule: FaultRule | None
    ) -> PreparedReply:
        """Do the work, unless the fault comes before it, and return the answer as the client will see it."""
        reply, accepted = _NO_WORK, range(0)
        if rule is None or rule.row.works:
            answered = self._gateway.call(session, call.operation, call.arguments)
            reply = PreparedReply(
                200,
                call.version.content_type,
                result_body(call.version, call.operation, answered.result),
            )
            accepted = answered.accepted
        if rule and rule.row.changes:
            reply = rule.row.changes(reply)
        if accepted:
            self._gateway.keep_exchange(
                accepted, RawExchange(body, reply.body, rule.kind if rule else None)
            )
        return reply

    async def _hold(self, seconds: float) -> None:
        """Wait in short steps, so that stopping need not wait for it."""
        if seconds:
            until = anyio.current_time() + seconds
            # An event of anyio cannot be set from the thread that stops the server.
            while not self.stopping and (left := until - anyio.current_time()) > 0:  # noqa: ASYNC110
                await anyio.sleep(min(left, _HOLD_STEP))

    async def _end(self, request: Request, end: ConnectionEnd, reply: PreparedReply) -> Response:
        """Let the connection come to this end. Returns when the client is gone, so that nobody gets the response."""
        wire: Wire | None = request.scope.get("state", {}).get("wire")
        if wire is None:
            # Served in this process there is no connection: the caller gets what a lost one would raise.
            raise ConnectionResetError(f"the sandbox ended the connection: {end.value}")
        if end is not ConnectionEnd.SILENT:
            wire.end(end, reply)
        gone = anyio.Event()

        async def wait_for_the_client() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            gone.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_the_client)
            while not (gone.is_set() or self.stopping):
                with anyio.move_on_after(_HOLD_STEP):
                    await gone.wait()
            tasks.cancel_scope.cancel()
        return Response()

    async def nothing(self, _request: Request) -> Response:
        """Answer GET as PHP's SoapServer does: 200 and an empty page."""
        return Response(media_type="text/html")

    async def wsdl(self, request: Request) -> Response:
        """Describe the service at the address under which the client knows it."""
        return Response(wsdl(_address(request, SOAP_PATH)), media_type="text/xml")

    # The inbox

    async def page(self, request: Request) -> Response:
        """Answer with a file of the page."""
        found = page_file(request.path_params.get("name", "index.html"))
        return Response(found[0], 200, HEADERS, found[1]) if found else Response(status_code=404)

    async def events(self, request: Request) -> Response:
        """Stream the state: at once, and whenever something has changed, until the client goes or the server stops."""
        asked = _asked(request)
        return StreamingResponse(
            self._news(asked),
            headers=HEADERS | {"X-Accel-Buffering": "no"},
            media_type="text/event-stream",
        )

    async def _news(self, asked: Asked) -> AsyncIterator[bytes]:
        told: int | None = None
        told_at = said_at = anyio.current_time()
        moving = False
        while not self.stopping:
            now = anyio.current_time()
            if self._gateway.revision != told or (moving and now - told_at >= _MOVING_SECONDS):
                seen = state(self._api, asked)
                # Once more after the last has moved, since it says so itself.
                told, told_at, said_at, moving = seen["revision"], now, now, seen["moving"]
                yield b"event: state\ndata: " + _json(seen) + b"\n\n"
            elif now - said_at >= _HEARTBEAT_SECONDS:
                said_at = now
                yield b": still here\n\n"
            await anyio.sleep(_NEWS_SECONDS)

    def _answering(self, answer: Callable[[Api, Asked], Json]) -> _Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                given = await request.body()
                asked = _asked(request, json.loads(given) if given else None)
            except ClientDisconnect:
                return Response()
            except ValueError:  # of a byte that is not UTF-8, too
                return _document({"error": "body: not JSON"}, 400)
            except RecursionError:
                return _document({"error": "body: too deep"}, 400)
            try:
                return _document(answer(self._api, asked), 200)
            except LookupError as error:
                return _document({"error": str(error.args[0])}, 404)
            except ValueError as error:
                return _document({"error": str(error)}, 400)

        return endpoint


def _address(request: Request, path: str) -> str:
    return str(request.base_url.replace(path=path))


def _asked(request: Request, body: object = None) -> Asked:
    key = request.path_params.get("key", "")
    return Asked(
        key, request.query_params, body, _address(request, SOAP_PATH), _address(request, WSDL_PATH)
    )


def _json(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _document(document: Json, status: int) -> Response:
    return Response(_json(document), status, HEADERS, "application/json")
