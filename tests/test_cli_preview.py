"""`smsgate campaign preview` and `test`: a message is seen before recipients get it.

Both only read: no recipient's state changes, on either ledger.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from test_campaign_ledgers import Places, places
from test_cli import Finished, Smsgate
from test_cli_campaign import account, campaign, running, sandbox

from smsgate.campaign import Campaign, RecipientState, rows_source
from smsgate.cli.exits import Exit
from smsgate.cli.preview_view import Previewed
from smsgate.cli.views import view_of
from smsgate.sandbox import Sandbox

__all__ = ["account", "campaign", "places", "running", "sandbox"]

OWN = "+380671112233"
NUMBERS = [f"+38050{number:07}" for number in range(1, 11)]
LONG = "«Знижка» — тільки сьогодні. " * 4

Command = Callable[..., Finished]


@pytest.fixture
def command(places: Places, campaign: Smsgate) -> Command:
    """A campaign command about the campaign `a` of ten numbers, on one of the two ledgers."""
    rows = [{"phone": one, "name": f"N{place}"} for place, one in enumerate(NUMBERS, start=1)]
    rows.append({"phone": "12", "name": "nobody"})
    places.create("a", rows, text="{name}: " + LONG).close()
    options = [] if places.database is None else ["--database", places.database]

    def run(name: str, *arguments: str) -> Finished:
        return campaign(name, places.place("a"), *arguments, *options)

    return run


def kept(places: Places) -> tuple[object, ...]:
    """Return what a campaign records: states, requests, runs, and each recipient."""
    with places.open("a") as opened:
        figures = opened.figures()
        return figures.states, figures.requests, figures.runs, tuple(opened.recipients())


def test_samples_are_spread_over_the_campaign_without_skipped_ones(places: Places) -> None:
    rows = [*NUMBERS, "12", "13", "14", "15"]
    with places.create("a", rows) as opened:
        lines = [one.line for one in opened.samples(3)]
        assert len(lines) == len(set(lines)) == 3
        assert lines == sorted(lines)
        assert lines[0] < 4 < lines[-1] <= 10
        assert [one.number for one in opened.samples(100)] == NUMBERS
        assert [one.number for one in opened.samples(10)] == NUMBERS
        assert [one.line for one in opened.samples(5, line=7)] == [7]
        assert opened.samples(5, line=12) == []
        with pytest.raises(ValueError, match="most: must be 1 or more"):
            opened.samples(0)


def test_preview_shows_parts_and_what_forces_ucs2(command: Command) -> None:
    said = command("preview", "--limit", "2").out
    assert said.count("part 1 of 2") == said.count("part 2 of 2") == 2
    assert "⟨«⟩Знижка⟨»⟩ ⟨—⟩" in said
    assert "UCS-2 is forced by Cyrillic letters" in said
    assert "from Shop" in said
    assert "+380*****0001, from" in said
    assert NUMBERS[0] not in said
    assert NUMBERS[0] in command("preview", "--line", "1", "--show-numbers").out


def test_preview_for_machines_has_the_text_of_each_part(command: Command) -> None:
    (message,) = command("preview", "--line", "3", "--json").document["messages"]
    assert "".join(message["texts"]) == "N3: " + LONG
    assert (message["parts"], len(message["texts"]), message["alphabet"]) == (2, 2, "UCS-2")
    assert message["destination"] == "+380*****0003"


def test_preview_of_a_line_without_a_message_is_an_error(command: Command) -> None:
    done = command("preview", "--line", "11")
    assert done.code == Exit.USAGE
    assert "no recipient with a text is on line 11" in done.err


def bubbles(folder: Path, text: str, number: str = NUMBERS[0], *, colour: bool = False) -> str:
    source = rows_source([{"phone": number, "own": number}])
    with Campaign.create(folder / "b.sms", source, sender="Shop", text=text) as made:
        result = Previewed(tuple(made.samples()), show_numbers=False)
    console = Console(
        file=io.StringIO(),
        width=60,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
    console.print(view_of(result).people(result))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_few_cyrillic_letters_in_a_latin_text_are_marked(tmp_path: Path) -> None:
    assert "Your ⟨о⟩rder" in bubbles(tmp_path, "Your оrder")


def test_invisible_characters_are_marked_with_their_code_point(tmp_path: Path) -> None:
    assert "a⟨U+00A0⟩b" in bubbles(tmp_path, "a\u00a0b")
    (tmp_path / "b.sms").unlink()
    assert "\x1b[30;43mU+00A0\x1b[0m" in bubbles(tmp_path, "a\u00a0b", colour=True)


def test_own_number_in_a_text_is_masked_digit_for_digit(tmp_path: Path) -> None:
    said = bubbles(tmp_path, "{own}, 050 000 00 01, 0800123456")
    assert "+********0001, *** *** 00 01, 0800123456" in said


def test_gsm_text_and_wap_push_are_shown_too(tmp_path: Path) -> None:
    source = rows_source(NUMBERS[:1])
    with Campaign.create(
        tmp_path / "w.sms", source, sender="Shop", wappush="https://ex.ua/a"
    ) as made:
        result = Previewed(tuple(made.samples()), show_numbers=False)
    console = Console(file=io.StringIO(), width=60)
    console.print(view_of(result).people(result))
    assert isinstance(console.file, io.StringIO)
    assert "WAP push: https://ex.ua/a" in console.file.getvalue()
    (message,) = view_of(result).machines(result)["messages"]
    assert (message["texts"], message["alphabet"], message["parts"]) == ([], None, 1)
    assert "1 part, GSM-7: 2 units, 158 free" in bubbles(tmp_path, "Hi")


def test_test_message_is_not_counted_as_the_recipients(
    command: Command, places: Places, sandbox: Sandbox
) -> None:
    before = kept(places)
    done = command("test", OWN, "--line", "4", "--yes")
    assert done.code == 0, done.err
    assert "This message is not recorded in the campaign." in done.err
    (message,) = sandbox.messages
    assert (message.destination, message.text, message.sender) == (OWN, "N4: " + LONG, "Shop")
    assert kept(places) == before
    assert command("run", "--yes").code == 0
    assert sorted(one.destination for one in sandbox.messages) == sorted([OWN, *NUMBERS])


def test_test_message_to_a_recipient_leaves_the_recipient_pending(
    command: Command, places: Places, sandbox: Sandbox
) -> None:
    assert command("test", NUMBERS[0], "--yes").code == 0
    with places.open("a") as opened:
        assert opened.journal.states()[RecipientState.PENDING] == len(NUMBERS)
    assert len(sandbox.messages) == 1


def test_test_asks_before_it_sends_and_says_the_cost(command: Command, sandbox: Sandbox) -> None:
    done = command("test", OWN)
    assert done.code == Exit.USAGE
    assert "use --yes" in done.err
    assert sandbox.calls == {}


@pytest.mark.parametrize(
    ("number", "code"),
    [("12", Exit.USAGE), ("+380000000001", Exit.REFUSED), ("+380000000022", Exit.IN_DOUBT)],
)
def test_exit_code_of_a_test_tells_its_outcome(
    command: Command, sandbox: Sandbox, number: str, code: Exit
) -> None:
    assert command("test", number, "--yes").code == code
    assert not any(one.destination in NUMBERS for one in sandbox.messages)


def test_purged_campaign_has_no_message_to_show(campaign: Smsgate, tmp_path: Path) -> None:
    with Campaign.create(tmp_path / "p.sms", rows_source(["12"]), sender="Shop", text="Hi") as made:
        made.purge()
    done = campaign("preview", "p.sms")
    assert done.code == Exit.USAGE
    assert "no recipient with a text" in done.err
