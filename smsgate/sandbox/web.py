"""The sandbox over HTTP: the gateway with PHP's headers and cookie, the inbox page, the JSON API.

The only importer of starlette. See docs: wire format, "PHP" and "Cookies".

Rule of this file: it logs nothing of a request, and it makes no decisions for the gateway.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

import anyio
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .api import REQUESTS, Api, ApiRequest, Asked, Json, state
from .call_log import CallOutcome, Judged
from .exchanges import RawExchange
from .faults import ConnectionEnd, FaultRule, PreparedReply
from .keeping import SandboxDatabaseError
from .origin_check import refusal_of
from .page import HEADERS, page_file
from .session_lock import CookieLocks
from .sessions import PhpSession
from .soap import Call, SoapFault, fault_body, read_call, result_body
from .waiting import STEP, Wait
from .wire import Wire
from .wsdl import wsdl

__all__ = ["SOAP_PATH", "WSDL_PATH", "ASGIApp", "Endpoints"]

SOAP_PATH = "/api/soap.html"
WSDL_PATH = "/api/wsdl.html"

_API_PATHS = ("/sandbox/", "/healthz")
"""The paths on which an error is JSON."""

# A client may send the whole Set-Cookie header back, including `; path=/`.
_COOKIE = re.compile(r"(?:^|[;,\s])PHPSESSID=([^;,\s]+)")
_NO_CACHE = {
    "Expires": "Thu, 19 Nov 1981 08:52:00 GMT",
    "Cache-Control": "no-store, no-cache, must-revalidate",
    "Pragma": "no-cache",
}
_HOLD_STEP = 0.05
_NO_WORK = PreparedReply(200, "text/html", b"")
_NOT_DONE = Judged(CallOutcome.NOT_DONE)

_EVENT_SECONDS = 0.1
"""Minimum time between two events."""
_MOVING_SECONDS = 0.5
"""Time between two events while only delivery statuses change."""
_HEARTBEAT_SECONDS = 15.0

_Endpoint = Callable[[Request], Awaitable[Response]]


class Endpoints:
    """The endpoints of all paths. `app` is the ASGI application.

    Setting `stopping` ends all delays and event streams immediately.
    """

    def __init__(self, api: Api, locks: CookieLocks, names: Collection[str]) -> None:
        self._api = api
        self._gateway = api.gateway
        self._locks = locks
        self._names = names
        self.stopping = False
        self._routes = Starlette(
            routes=[
                Route(SOAP_PATH, self.soap, methods=["POST"]),
                Route(SOAP_PATH, self.empty_page, methods=["GET"]),
                Route(WSDL_PATH, self.wsdl, methods=["GET"]),
                Route("/sandbox/events", self.events, methods=["GET"]),
                *(Route(row.path, self._answering(row), methods=[row.method]) for row in REQUESTS),
                Route("/", self.page, methods=["GET"]),
                Route("/static/{name}", self.page, methods=["GET"]),
            ],
            exception_handlers={
                404: self.no_route,
                405: self.no_route,
                SandboxDatabaseError: _not_written,
            },
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Requests from other web pages are refused."""
        refusal = refusal_of(Headers(scope=scope), self._names) if scope["type"] == "http" else None
        if refusal and (scope["method"], scope["path"]) == ("POST", SOAP_PATH):
            # A program that uses another name for this machine would otherwise leave no trace.
            judged = Judged(CallOutcome.REFUSED, refusal)
            self._gateway.record(None, None, judged, RawExchange.cut(b"", refusal.encode()))
        answer = _refused(scope["path"], refusal, 403) if refusal else self._routes
        await answer(scope, receive, send)

    async def no_route(self, request: Request, _error: Exception) -> Response:
        """Answer a request to an unknown path, or with a method that the path does not have."""
        path = request.url.path
        methods = {
            method
            for route in self._routes.routes
            if isinstance(route, Route) and route.path_regex.match(path)
            for method in route.methods or ()
        }
        if not methods:
            why = "path: the sandbox has no such path; see /sandbox/openapi.json"
            return _refused(path, why, 404)
        allowed = ", ".join(sorted(methods))
        answer = _refused(path, f"method: this path takes only {allowed}", 405)
        answer.headers["Allow"] = allowed
        return answer

    # The gateway

    async def soap(self, request: Request) -> Response:
        """Answer one operation. The work is done before the delay, as a slow gateway would do."""
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()  # the client is gone
        found = _COOKIE.search(request.headers.get("cookie", ""))
        cookie = found[1] if found else None
        async with self._locks.hold(cookie):
            try:
                call = read_call(body)
            except SoapFault as fault:
                session = self._gateway.open_session(cookie)
                reply = PreparedReply(500, fault.version.content_type, fault_body(fault))
                rule = None
                judged = Judged(CallOutcome.UNREADABLE, fault.reason)
                self._gateway.record(None, session, judged, RawExchange.cut(body, reply.body))
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
        """Do the work, unless a fault prevents it, and return the answer for the client."""
        reply, accepted, judged = _NO_WORK, range(0), _NOT_DONE
        if rule is None or rule.row.works:
            answered = self._gateway.call(session, call.operation, call.arguments)
            reply = PreparedReply(
                200,
                call.version.content_type,
                result_body(call.version, call.operation, answered.result),
            )
            accepted, judged = answered.accepted, answered.judged
        if rule and rule.row.changes:
            reply = rule.row.changes(reply)
        exchange = RawExchange.cut(body, reply.body, rule.kind if rule else None)
        self._gateway.record(call.operation.name, session, judged, exchange, accepted)
        return reply

    async def _hold(self, seconds: float) -> None:
        """Delay the answer, in short steps so that stopping is quick."""
        if seconds:
            until = anyio.current_time() + seconds
            # An event of anyio cannot be set from the thread that stops the server.
            while not self.stopping and (left := until - anyio.current_time()) > 0:  # noqa: ASYNC110
                await anyio.sleep(min(left, _HOLD_STEP))

    async def _end(self, request: Request, end: ConnectionEnd, reply: PreparedReply) -> Response:
        """End the connection this way. Returns when the client is gone, so no response is sent."""
        wire: Wire | None = request.scope.get("state", {}).get("wire")
        if wire is None:
            # In this process there is no connection, so raise the error of a lost connection.
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

    async def empty_page(self, _request: Request) -> Response:
        """Answer GET like PHP's SoapServer: status 200 and an empty page."""
        return Response(media_type="text/html")

    async def wsdl(self, request: Request) -> Response:
        """Answer with the WSDL, with the address that the client has used."""
        return Response(wsdl(_address(request, SOAP_PATH)), media_type="text/xml")

    # The inbox

    async def page(self, request: Request) -> Response:
        """Answer with a file of the page."""
        found = page_file(request.path_params.get("name", "index.html"))
        return Response(found[0], 200, HEADERS, found[1]) if found else Response(status_code=404)

    async def events(self, request: Request) -> Response:
        """Stream the state now and after each change, until the client or the server stops."""
        if request.query_params:
            return _document({"error": "query: this request takes no parameters"}, 400)
        asked = _asked(request)
        return StreamingResponse(
            self._state_events(asked),
            headers=HEADERS | {"X-Accel-Buffering": "no"},
            media_type="text/event-stream",
        )

    async def _state_events(self, asked: Asked) -> AsyncIterator[bytes]:
        sent: int | None = None
        sent_at = written_at = anyio.current_time()
        moving = False
        while not self.stopping:
            now = anyio.current_time()
            if self._gateway.revision != sent or (moving and now - sent_at >= _MOVING_SECONDS):
                seen = state(self._api, asked)
                # After the last change of a status, one more event has `moving` False.
                sent, sent_at, written_at, moving = seen["revision"], now, now, seen["moving"]
                yield b"event: state\ndata: " + _json(seen) + b"\n\n"
            elif now - written_at >= _HEARTBEAT_SECONDS:
                written_at = now
                yield b": still here\n\n"
            await anyio.sleep(_EVENT_SECONDS)

    async def _arrived(self, wait: Wait, request: Request) -> None:
        """Return when the message is there, the time is up, or nobody listens any more."""
        while not (wait.look() or wait.over or self.stopping):
            if await request.is_disconnected():
                return
            await anyio.sleep(STEP)

    def _answering(self, row: ApiRequest) -> _Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                given = await request.body()
                asked = _asked(request, json.loads(given) if given else None)
            except ClientDisconnect:
                return Response()
            except ValueError:  # also for bytes that are not UTF-8
                return _document({"error": "body: not JSON"}, 400)
            except RecursionError:
                return _document({"error": "body: too deeply nested"}, 400)
            try:
                row.check(asked)
                if wait := row.waits(self._api, asked):
                    await self._arrived(wait, request)
                return _document(row.answers(self._api, asked), 200)
            except LookupError as error:
                return _document({"error": str(error.args[0])}, 404)
            except ValueError as error:
                return _document({"error": str(error)}, 400)

        return endpoint


async def _not_written(request: Request, error: Exception) -> Response:
    """Answer a request whose change could not be written: the client must not believe in it."""
    return _refused(request.url.path, str(error), 500)


def _address(request: Request, path: str) -> str:
    return str(request.base_url.replace(path=path))


def _asked(request: Request, body: object = None) -> Asked:
    key = request.path_params.get("key", "")
    names = Counter(name for name, _ in request.query_params.multi_items())
    return Asked(
        key,
        request.query_params,
        body,
        _address(request, SOAP_PATH),
        _address(request, WSDL_PATH),
        tuple(name for name, times in names.items() if times > 1),
    )


def _refused(path: str, why: str, status: int) -> Response:
    """Return the answer to a request that no endpoint sees, as the API writes it on its paths."""
    if path.startswith(_API_PATHS):
        return _document({"error": why}, status)
    return PlainTextResponse(why, status)


def _json(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _document(document: Json, status: int) -> Response:
    return Response(_json(document), status, HEADERS, "application/json")
