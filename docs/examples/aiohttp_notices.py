"""Order notices in aiohttp: one session, and a response for each of the three outcomes.

To try it: run `smsgate sandbox`, set the variables that it prints, then run `python
aiohttp_notices.py`.
"""

from __future__ import annotations

import logging

from aiohttp import web
from pydantic import ValidationError

import smsgate
from smsgate.integrations.aiohttp import SMS_SESSION, sms_context

routes = web.RouteTableDef()


@routes.post("/orders/{order}/ready")
async def ready(request: web.Request) -> web.Response:
    """Tell the customer that an order is ready."""
    number = (await request.post()).get("number")
    try:
        message = smsgate.Message(
            destinations=str(number), text=f"Замовлення {request.match_info['order']} готове"
        )
    except ValidationError as error:
        raise web.HTTPUnprocessableEntity(
            text=error.errors(include_input=False)[0]["msg"]
        ) from None
    try:
        result = await request.app[SMS_SESSION].send(message)
    except smsgate.NotSent:
        raise web.HTTPServiceUnavailable(text="nothing was sent, try again") from None
    except smsgate.BadDestination:
        raise web.HTTPUnprocessableEntity(text="not sent: this number cannot be sent to") from None
    except smsgate.Refused as refused:
        # The reason concerns your account, so the caller does not see it.
        logging.getLogger(__name__).warning("the gateway refuses to send: %s", refused.answer)
        raise web.HTTPServiceUnavailable(text="nothing was sent") from None
    except smsgate.InDoubt:
        raise web.HTTPGatewayTimeout(
            text="perhaps sent: do not try again before you have looked"
        ) from None
    return web.json_response({"message_id": result.message_ids[0]})


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.append(sms_context())
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8080)
