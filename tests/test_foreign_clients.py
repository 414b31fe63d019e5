"""Foreign SOAP clients work unchanged against the sandbox, through its WSDL.

zeep, synchronous and asynchronous, and suds-community: all five operations, SOAP 1.1 and 1.2,
cookies kept by their own means (docs: wire format, "WSDL").
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import suds
import suds.client
import zeep
import zeep.exceptions
from zeep.transports import AsyncTransport

from smsgate.protocol.answers import DeliveryState
from smsgate.sandbox import FailedSlot, Sandbox, Settings

pytestmark = pytest.mark.unmeasured

GOOD, OTHER, BAD = "+380501234567", "+380671234567", "+380000000001"
SENT = "Сообщения успешно отправлены"
# Without `&amp;`, since suds takes that for escaped already.
HARD_TEXT = "<b> & \"quotes\" 'n' ]]> 👍\nдругий рядок"
UNKNOWN_PROCEDURE = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://turbosms.in.ua/api/Turbo">'
    b"<e:Body><t:SendMMS/></e:Body></e:Envelope>"
)
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(Settings(delivery_seconds=0)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@contextmanager
def through_zeep(sandbox: Sandbox, port: str) -> Iterator[Call]:
    client = zeep.Client(sandbox.wsdl_url, port_name=port)
    with client.transport.session:
        yield lambda operation, **arguments: _plain(getattr(client.service, operation)(**arguments))


@contextmanager
def through_asynchronous_zeep(sandbox: Sandbox, port: str) -> Iterator[Call]:
    # zeep reads the WSDL with a client of its own, and sends with an asynchronous one.
    with asyncio.Runner() as runner, httpx.Client() as reading:
        transport = AsyncTransport(client=httpx.AsyncClient(), wsdl_client=reading)
        client = zeep.AsyncClient(sandbox.wsdl_url, port_name=port, transport=transport)

        async def call(operation: str, **arguments: str) -> Any:
            return _plain(await getattr(client.service, operation)(**arguments))

        yield lambda operation, **arguments: runner.run(call(operation, **arguments))
        runner.run(transport.client.aclose())


@contextmanager
def through_suds(sandbox: Sandbox, port: str) -> Iterator[Call]:
    client = suds.client.Client(sandbox.wsdl_url, port=port, cache=None)
    yield lambda operation, **arguments: _plain(getattr(client.service, operation)(**arguments))
    gc.collect()  # to which suds leaves its sockets


def _plain(answer: Any) -> Any:
    """Return a string as it is, and an array as a list, whatever the client wraps it in."""
    if answer is None or isinstance(answer, str):
        return [] if answer in (None, "") else str(answer)
    slots = getattr(answer, "ResultArray", answer)
    return [
        None if slot is None else str(slot)
        for slot in ([slots] if isinstance(slots, str) else slots or [])
    ]


CLIENTS = {
    "zeep, SOAP 1.1": (through_zeep, "ServiceSoap"),
    "zeep, SOAP 1.2": (through_zeep, "ServiceSoap12"),
    "asynchronous zeep, SOAP 1.1": (through_asynchronous_zeep, "ServiceSoap"),
    "asynchronous zeep, SOAP 1.2": (through_asynchronous_zeep, "ServiceSoap12"),
    "suds, SOAP 1.1": (through_suds, "ServiceSoap"),
    "suds, the other port": (through_suds, "ServiceSoap12"),
}


@pytest.fixture(params=CLIENTS)
def call(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Call]:
    through, port = CLIENTS[request.param]
    with through(sandbox, port) as call:
        yield call


def log_in(call: Call) -> None:
    assert call("Auth", login="sandbox", password="sandbox") == "Вы успешно авторизировались"


def test_all_five_operations_work(call: Call, sandbox: Sandbox):
    log_in(call)
    assert call("GetCreditBalance") == "10000"
    head, message_id = call("SendSMS", sender="Shop", destination=GOOD, text="Ваш код: 4815")
    assert (head, message_id) == (SENT, sandbox.messages[0].id)
    assert call("GetMessageStatus", MessageId=message_id) == "Сообщение доставлено получателю"
    assert call("GetNewMessages") == []
    assert sandbox.calls == {
        "Auth": 1,
        "GetCreditBalance": 1,
        "SendSMS": 1,
        "GetMessageStatus": 1,
        "GetNewMessages": 1,
    }


def test_each_number_has_its_slot_in_order_with_id_or_sentence(call: Call, sandbox: Sandbox):
    log_in(call)
    head, first, refused, second = call(
        "SendSMS", sender="Shop", destination=f"{GOOD},{BAD},{OTHER}", text="a"
    )
    assert SENT in head
    assert [first, second] == [message.id for message in sandbox.messages]
    assert refused.startswith("Не удалось распознать номер получателя")


def test_text_arrives_as_written(call: Call, sandbox: Sandbox):
    log_in(call)
    call("SendSMS", sender="Shop", destination=GOOD, text=HARD_TEXT)
    assert sandbox.messages[0].text == HARD_TEXT


def test_wap_push_arrives(call: Call, sandbox: Sandbox):
    log_in(call)
    call(
        "SendSMS", sender="Shop", destination=GOOD, text="a", wappush="https://example.com/?a=1&b=2"
    )
    assert sandbox.messages[0].wappush == "https://example.com/?a=1&b=2"


def test_several_new_messages_are_a_list(call: Call, sandbox: Sandbox):
    log_in(call)
    call("SendSMS", sender="Shop", destination=f"{GOOD},{OTHER}", text="a")
    for message in sandbox.messages:
        sandbox.set_status(message.id, DeliveryState.QUEUED)
    assert call("GetNewMessages") == [message.id for message in sandbox.messages]


def test_call_without_a_login_is_answered_with_the_sentence(call: Call):
    assert call("GetCreditBalance") == "Вы не авторизованы"
    assert call("SendSMS", sender="Shop", destination=GOOD, text="a") == ["Вы не авторизованы"]


def test_answer_to_the_whole_request_is_an_array_of_one(call: Call):
    log_in(call)
    assert call("SendSMS", sender="Forbidden", destination=GOOD, text="a") == [
        "Данная подпись запрещена администратором"
    ]


@pytest.mark.parametrize("name", CLIENTS)
def test_empty_slot_and_nil_are_read_as_nothing(name: str):
    through, port = CLIENTS[name]
    for failed_slot in (FailedSlot.NIL, FailedSlot.EMPTY):
        with Sandbox(Settings(failed_slot=failed_slot)) as sandbox, through(sandbox, port) as call:
            log_in(call)
            slots = call("SendSMS", sender="Shop", destination=f"{GOOD},{BAD}", text="a")
            assert (len(slots), slots[2] or None) == (3, None)


def test_fault_is_raised_as_zeeps_own_exception(sandbox: Sandbox):
    client = zeep.Client(sandbox.wsdl_url)
    message = client.create_message(client.service, "Auth", login="a", password="b")
    body = message[0][0] if message.tag.endswith("Envelope") else message
    body.tag = "{http://turbosms.in.ua/api/Turbo}SendMMS"
    binding = client.service._binding
    with (
        client.transport.session,
        pytest.raises(zeep.exceptions.Fault, match="Procedure 'SendMMS' not present"),
    ):
        binding.process_reply(
            client, binding.get("Auth"), client.transport.post_xml(sandbox.url, message, {})
        )


def test_fault_is_raised_as_suds_own_exception(sandbox: Sandbox):
    client = suds.client.Client(sandbox.wsdl_url, cache=None)
    with pytest.raises(suds.WebFault, match="Procedure 'SendMMS' not present"):
        client.service.Auth(__inject={"msg": UNKNOWN_PROCEDURE})
    gc.collect()
