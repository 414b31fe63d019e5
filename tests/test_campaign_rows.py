"""The rows of a list: senders, repeated numbers, kept columns, and lists that are exports.

Every test of a campaign runs on both ledgers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_campaign_ledgers import Places, places, settle
from test_cli import Finished, Smsgate, bare
from test_cli_campaign import account, campaign, running, sandbox

from smsgate.campaign import Campaign, Event, RecipientState, Row, Source, export_csv
from smsgate.campaign.wording import facts, senders_in_words
from smsgate.cli.exits import Exit
from smsgate.ledger.stored_records import kept_cells
from smsgate.sandbox import Sandbox

__all__ = ["account", "bare", "campaign", "places", "running", "sandbox"]

S = RecipientState
NUMBERS = [f"+38050{number:07}" for number in range(1, 9)]


def people(*columns: str, rows: list[tuple[str, ...]]) -> list[dict[str, str]]:
    return [dict(zip(("phone", *columns), row, strict=True)) for row in rows]


def reasons(campaign: Campaign) -> list[tuple[int, str | None]]:
    return [(one.line, one.reason) for one in campaign.skipped()]


def exported(campaign: Campaign, **options: Any) -> list[dict[str, str]]:
    written = io.StringIO()
    export_csv(campaign, written, byte_order_mark=False, **options)
    return list(csv.DictReader(io.StringIO(written.getvalue())))


# --- senders --------------------------------------------------------------------------------------


def test_request_has_recipients_of_one_sender_and_one_text(places: Places) -> None:
    rows = people("from", rows=[(one, ("Shop", "Sale")[at % 2]) for at, one in enumerate(NUMBERS)])
    with places.create("a", rows, sender=None, sender_column="from") as opened:
        run = opened.journal.start_run()
        seen: dict[str, list[str]] = {}
        while claim := opened.journal.claim(run, 100):
            assert claim.text.sender not in seen
            seen[claim.text.sender] = [number for _, number in claim.recipients]
            settle(opened.journal, claim, Event.REFUSED)
    assert seen == {"Shop": NUMBERS[::2], "Sale": NUMBERS[1::2]}


def test_each_sender_obeys_the_rule_of_senders(places: Places) -> None:
    rows = people(
        "from",
        rows=[
            (NUMBERS[0], "Sale"),
            (NUMBERS[1], ""),
            (NUMBERS[2], "A name that is too long"),
            (NUMBERS[3], "+380671112233"),
        ],
    )
    with places.create("a", rows, sender_column="from") as opened:
        assert [one.sender for one in opened.recipients() if one.state is S.PENDING] == [
            "Sale", "Shop", "+380671112233",
        ]  # fmt: skip
        ((line, reason),) = reasons(opened)
    assert line == 3
    assert reason is not None
    assert reason.startswith("a sender is a name of 1 to 11 characters")
    assert "too long" not in reason


def test_row_without_a_sender_is_skipped(places: Places) -> None:
    rows = people("from", rows=[(NUMBERS[0], "Sale"), (NUMBERS[1], " ")])
    with places.create("a", rows, sender=None, sender_column="from") as opened:
        assert reasons(opened) == [(2, "no sender in the column from")]


def test_failed_formula_is_no_sender(places: Places) -> None:
    row = Row(1, NUMBERS[0], {"from": "x"}, faults={"from": "a failed formula"})
    source = Source(iter([row]), ("phone", "from"), "phone")
    with Campaign.create(
        places.place("a"), source, database=places.database, text="Hi", sender_column="from"
    ) as opened:
        assert reasons(opened) == [(1, "column from: a failed formula")]


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (("phone",), {"sender_column": "from"}, "sender column: no column has this name"),
        (("phone",), {"duplicates": "drop"}, "duplicates: must be skip or send"),
        (("phone",), {"sender": None}, "sender: must be given"),
        (("phone",), {"states": [S.REFUSED]}, "state: the list has no column 'state'"),
    ],
)
def test_option_that_fits_no_row_is_an_error_at_once(
    places: Places, columns: tuple[str, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        places.create("a", [dict.fromkeys(columns, NUMBERS[0])], **options)


def test_column_that_occurs_twice_is_no_sender_column(tmp_path: Path) -> None:
    source = Source(iter([]), ("phone", "from"), "phone", repeated=("from",))
    with pytest.raises(ValueError, match="several columns have this name"):
        Campaign.create(tmp_path / "a.sms", source, text="Hi", sender_column="from")


def test_report_and_export_name_the_senders(places: Places) -> None:
    rows = people("from", rows=[(one, f"Shop{at // 3}") for at, one in enumerate(NUMBERS)])
    with places.create("a", rows, sender_column="from") as opened:
        figures = opened.figures()
        assert figures.senders == {"Shop0": 3, "Shop1": 3, "Shop2": 2}
        assert [one["sender"] for one in exported(opened)][2:4] == ["Shop0", "Shop1"]
    assert "Senders" in [fact.what for fact in facts(figures, None)]
    assert "Shop2 for 2 recipients" in senders_in_words(figures)
    assert senders_in_words(figures, most=1).endswith("for 3 recipients, 2 more")
    with places.create("b", NUMBERS) as opened:
        assert opened.figures().senders == {"Shop": 8}


# --- numbers that occur again ---------------------------------------------------------------------

AGAIN = people(
    "text",
    rows=[
        (NUMBERS[0], "one"),
        (NUMBERS[0], "two"),
        (NUMBERS[0], "one"),
        (NUMBERS[1], "one"),
        (NUMBERS[0], "two"),
    ],
)


def test_number_that_occurs_again_is_skipped_by_default(places: Places) -> None:
    with places.create("a", AGAIN, text="{text}") as opened:
        assert opened.journal.states() == {S.PENDING: 2, S.SKIPPED: 3}
        assert reasons(opened) == [(line, "repeats line 1") for line in (2, 3, 5)]


def test_number_gets_each_different_text_once_if_asked(places: Places) -> None:
    with places.create("a", AGAIN, text="{text}", duplicates="send") as opened:
        assert reasons(opened) == [(3, "repeats line 1"), (5, "repeats line 2")]
        run, sent = opened.journal.start_run(), []
        while claim := opened.journal.claim(run, 100):
            sent += [(number, claim.text.text) for _, number in claim.recipients]
            settle(opened.journal, claim, Event.REFUSED)
    assert sorted(sent) == [(NUMBERS[0], "one"), (NUMBERS[0], "two"), (NUMBERS[1], "one")]


def test_same_text_from_another_sender_is_the_same_text(places: Places) -> None:
    rows = people("from", rows=[(NUMBERS[0], "Shop"), (NUMBERS[0], "Sale")])
    with places.create("a", rows, sender_column="from", duplicates="send") as opened:
        assert reasons(opened) == [(2, "repeats line 1")]


# --- kept columns and exports ---------------------------------------------------------------------


def test_export_has_the_columns_of_the_list_if_they_are_kept(places: Places) -> None:
    rows = people("id", "state", rows=[(NUMBERS[0], "007", "=new"), ("12", "008", "old")])
    with places.create("a", rows, keep_columns=True) as opened:
        assert opened.kept_columns() == ("phone", "id", "state")
        found = exported(opened)
    assert [one["id"] for one in found] == ["007", "008"]
    assert [(one["state"], one["state (list)"]) for one in found] == [
        ("pending", "'=new"),
        ("skipped", "old"),
    ]
    with places.open("a") as opened:
        (one, _) = exported(opened, show_numbers=False)
    assert one["phone"] == "+380*****0001".replace("+", "'+") or "0001" in one["phone"]
    assert NUMBERS[0][1:] not in one["phone"]


def test_columns_are_not_kept_unless_asked(places: Places) -> None:
    with places.create("a", people("id", rows=[(NUMBERS[0], "007")])) as opened:
        assert opened.kept_columns() == ()
        assert [one.kept for one in opened.recipients()] == [()]


def test_purge_deletes_kept_cells(places: Places) -> None:
    with places.create("a", people("id", rows=[("12", "secret-7")]), keep_columns=True) as opened:
        opened.purge()
        assert not any(one.kept for one in opened.recipients())
        assert all("secret-7" not in one["id"] for one in exported(opened))
    if places.database is None:
        assert b"secret-7" not in (places.folder / "a").read_bytes()


def test_export_may_have_recipients_of_some_states_only(places: Places) -> None:
    with places.create("a", [*NUMBERS, "12"]) as opened:
        assert len(exported(opened, states=[S.SKIPPED])) == 1
        assert len(exported(opened, states=[S.SKIPPED, S.PENDING])) == 9


@pytest.fixture
def sent(places: Places, tmp_path: Path) -> Path:
    """The export of a campaign with an accepted, a refused and a pending recipient."""
    with places.create("first", NUMBERS[:3]) as opened:
        run = opened.journal.start_run()
        for event in (Event.ACCEPTED, Event.REFUSED):
            claim = opened.journal.claim(run, 1)
            assert claim is not None
            settle(opened.journal, claim, event)
        opened.export(tmp_path / "out.csv")
    return tmp_path / "out.csv"


Command = Callable[..., Finished]


@pytest.fixture
def new(places: Places, campaign: Smsgate) -> Command:
    options = [] if places.database is None else ["--database", places.database]

    def run(name: str, *arguments: str) -> Finished:
        return campaign("new", places.place(name), *arguments, *options)

    return run


def test_export_is_no_list_until_states_are_named(new: Command, sent: Path) -> None:
    options = ["--sender", "Shop", "--text", "Hi", "--phone-column", "number"]
    done = new("b", str(sent), *options)
    assert done.code == Exit.USAGE
    assert "name the states to send to, such as --state refused" in done.err
    assert new("b", str(sent), *options, "--state", "wrong").code == Exit.USAGE


def test_export_sends_to_the_named_states_only(new: Command, sent: Path, places: Places) -> None:
    options = ["--sender", "Shop", "--text", "Hi", "--phone-column", "number"]
    done = new("b", str(sent), *options, "--state", "refused", "--state", "in-doubt")
    assert done.code == 0, done.err
    with places.open("b") as opened:
        assert [one.number for one in opened.recipients() if one.state is S.PENDING] == [NUMBERS[1]]
        assert {reason for _, reason in reasons(opened)} == {
            "its state in the list is accepted, which was not chosen",
            "its state in the list is pending, which was not chosen",
        }


# --- the command ----------------------------------------------------------------------------------


def test_new_takes_senders_duplicates_and_columns(
    new: Command, places: Places, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(
        f"phone,from,what\n{NUMBERS[0]},Shop,a\n{NUMBERS[0]},Shop,b\n{NUMBERS[1]},Sale,a\n",
        "utf-8",
    )
    done = new(
        "c", "rows.csv", "--sender-column", "from", "--duplicates", "send", "--keep-columns",
        "--text", r"{what}\n\\end", "--escape",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "sender      Shop for 2 recipients, Sale for 1 recipient" in done.out
    with places.open("c") as opened:
        assert opened.kept_columns() == ("phone", "from", "what")
        assert {one.text.text for one in opened.samples(9)} == {"a\n\\end", "b\n\\end"}


def test_text_keeps_its_backslashes_unless_asked(new: Command, places: Places) -> None:
    assert new("d", "contacts.csv", "--sender", "Shop", "--text", r"C:\new").code == 0
    with places.open("d") as opened:
        assert {one.text.text for one in opened.samples(9)} == {r"C:\new"}


def test_send_reads_escapes_if_asked(bare: Smsgate, sandbox: Sandbox) -> None:
    account = {
        "SMSGATE_LOGIN": "shop", "SMSGATE_URL": sandbox.url,
        "SMSGATE_PASSWORD": sandbox.settings.password,
    }  # fmt: skip
    send = ["send", NUMBERS[0], "--sender", "Shop", "--text"]
    assert bare(*send, r"a\nb\tc", "--escape", **account).code == 0
    assert [message.text for message in sandbox.messages] == ["a\nb\tc"]
    done = bare(*send, r"a\x", "--escape", **account)
    assert done.code == Exit.USAGE
    assert "the backslash at position 2" in done.err


def test_export_command_filters_by_state(campaign: Smsgate, tmp_path: Path) -> None:
    new = ["new", "a.sms", "contacts.csv", "--sender", "Shop", "--text", "Hi"]
    assert campaign(*new).code == 0
    assert campaign("export", "a.sms", "none.csv", "--state", "in-doubt").code == 0
    assert len((tmp_path / "none.csv").read_text("utf-8-sig").splitlines()) == 1
    done = campaign("export", "a.sms", "no.csv", "--state", "lost")
    assert done.code == Exit.USAGE
    assert "--state: must be one of skipped, pending, in-flight" in done.err


def test_kept_cells_are_read_as_they_were_written() -> None:
    assert kept_cells(None) == ()
