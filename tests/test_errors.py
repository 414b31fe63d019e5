"""The tree of errors: what the caller may do next (docs: reference, "Errors")."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from smsgate import errors
from smsgate.errors import (
    InDoubt,
    NotEnoughCredits,
    NotSent,
    PlainHttpWarning,
    Reason,
    Refused,
    ReplyEvidence,
    SmsGateError,
)

TREE = {
    "SmsGateError": ("Exception", None),
    "NotSent": ("SmsGateError", False),
    "Refused": ("SmsGateError", False),
    "NotAuthorised": ("Refused", False),
    "BadCredentials": ("Refused", False),
    "AccountSuspended": ("Refused", False),
    "MissingParameters": ("Refused", False),
    "BadSender": ("Refused", False),
    "SenderForbidden": ("Refused", False),
    "NotEnoughCredits": ("Refused", False),
    "BadDestination": ("Refused", False),
    "GatewayFailure": ("Refused", False),
    "MessageNotFound": ("Refused", False),
    "InDoubt": ("SmsGateError", None),
    "InFlight": ("SmsGateError", None),
    "KeyReused": ("SmsGateError", False),
    "OnStopList": ("SmsGateError", False),
    "NotAllowed": ("SmsGateError", False),
}
CLASSES = [getattr(errors, name) for name in TREE]
REFUSALS = [kind for kind in CLASSES if issubclass(kind, Refused)]


def test_error_tree_is_the_documented_one():
    found = {
        name: (kind.__base__.__name__, kind.sent)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, SmsGateError)
    }
    assert found == TREE


def test_tree_in_the_module_docstring_is_complete():
    """It names each error below its parent, and says whether the message was sent."""
    lines = {
        line.split("── ")[-1].split()[0]: line
        for line in (errors.__doc__ or "").splitlines()
        if "── " in line
    }
    assert set(lines) == set(TREE) - {"SmsGateError"}
    for name, line in lines.items():
        parent, said = TREE[name]
        assert line.startswith(
            "    │   "
            if parent == "Refused"
            else "    ├── "
            if name != "NotAllowed"
            else "    └── "
        )
        if parent == "SmsGateError":
            assert line.split("── ")[-1].split()[1] == str(said)


@pytest.mark.parametrize("kind", CLASSES)
def test_each_error_can_be_raised_without_arguments_and_has_text(kind: type[SmsGateError]):
    with pytest.raises(kind) as caught:
        raise kind
    assert kind is SmsGateError or str(caught.value)


@pytest.mark.parametrize("kind", CLASSES)
def test_each_error_has_a_docstring_with_its_meaning(kind: type[SmsGateError]):
    assert "\n" not in (kind.__doc__ or "").split(".")[0]
    assert (kind.__doc__ or "").strip()


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusal_keeps_class_message_and_attributes_when_pickled(
    kind: type[Refused],
):
    error = kind(
        "said no", answer="blocked", text="Ваша учётная запись отключена", reasons=("one", "two")
    )
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.answer, again.text, again.reasons) == (
        "said no",
        "blocked",
        "Ваша учётная запись отключена",
        ("one", "two"),
    )
    assert again.sent is False


def test_missing_credits_survive_pickling():
    again = pickle.loads(pickle.dumps(NotEnoughCredits("poor", missing=Decimal("2.56"))))
    assert again.missing == Decimal("2.56")
    assert NotEnoughCredits().missing == 0


def test_not_sent_keeps_its_reason_when_pickled():
    again = pickle.loads(pickle.dumps(NotSent("closed", reason=Reason.CLOSED)))
    assert (type(again), str(again), again.reason, again.sent) == (
        NotSent,
        "closed",
        Reason.CLOSED,
        False,
    )


def test_in_doubt_pickles_its_evidence_but_not_the_reply():
    evidence = ReplyEvidence(status=502, size=17, ids=("one",), reply=b"what it quotes")
    again = pickle.loads(
        pickle.dumps(InDoubt("no answer", reason=Reason.HTTP_STATUS, evidence=evidence))
    )
    assert (type(again), str(again), again.reason, again.sent) == (
        InDoubt,
        "no answer",
        Reason.HTTP_STATUS,
        None,
    )
    assert (again.evidence.status, again.evidence.size, again.evidence.ids) == (502, 17, ("one",))
    assert again.evidence.reply == b""
    assert b"quotes" not in pickle.dumps(evidence)


def test_in_doubt_without_evidence_has_empty_evidence():
    assert InDoubt().evidence == ReplyEvidence(status=None, size=0, ids=(), reply=b"")
    assert InDoubt().reason is Reason.CONNECTION_LOST
    assert NotSent().reason is Reason.NO_CONNECTION


@pytest.mark.parametrize(
    "error",
    [
        NotSent("message", reason=Reason.CLOSED),
        Refused("message", answer="blocked", text="words", reasons=("reason",)),
        NotEnoughCredits("message", text="words", missing=Decimal(3)),
        InDoubt("message", reason=Reason.SLOTS, evidence=ReplyEvidence(200, 3, ("id",), b"abc")),
    ],
)
def test_only_argument_of_an_error_is_its_message(error: SmsGateError):
    assert error.args == ("message",)


def test_reply_is_not_in_the_repr_nor_compared_in_evidence():
    evidence = ReplyEvidence(200, 3, (), b"secret")
    assert "secret" not in repr(evidence)
    assert evidence == ReplyEvidence(200, 3, (), b"other")
    assert evidence != ReplyEvidence(200, 4, (), b"secret")


def test_evidence_keeps_at_most_256_kib_of_a_reply():
    assert ReplyEvidence.LIMIT == 262_144


def test_evidence_is_immutable():
    with pytest.raises(AttributeError):
        ReplyEvidence().size = 1  # type: ignore[misc]


def test_plain_http_warning_is_no_gateway_error():
    assert issubclass(PlainHttpWarning, UserWarning)
    assert not issubclass(PlainHttpWarning, SmsGateError)


def test_module_exports_the_tree_and_its_companions():
    assert set(errors.__all__) == set(TREE) | {
        "OUTCOMES",
        "REASONS",
        "ErrorRow",
        "ReplyEvidence",
        "Outcome",
        "PlainHttpWarning",
        "Reason",
        "ReasonRow",
        "outcome_of",
    }


def test_reasons_are_strings_that_a_program_can_compare():
    assert {str(reason) for reason in Reason} == {
        "no connection",
        "no free connection",
        "proxy refused",
        "session not open",
        "session closed",
        "other event loop",
        "request could not be made",
        "timed out",
        "too late",
        "cancelled by an operator",
        "connection lost",
        "HTTP client failed",
        "HTTP status",
        "reply too large",
        "reply encoded",
        "reply unreadable",
        "SOAP fault",
        "answer not recognised",
        "wrong number of results",
        "answer contradicts itself",
        "gateway does not know the outcome",
        "gateway could not save the message",
        "process ended",
        "database failed over",
    }
