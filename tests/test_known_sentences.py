"""Known sentences: each is still said by the code, and what operators meet is retold.

An error, a reason or a finding is English wherever a program can read it. These tests read the
source, so that a sentence that is changed or added there cannot be forgotten in the table.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import smsgate
from smsgate.campaign.outcomes import INTERRUPTED
from smsgate.errors import OUTCOMES, REASONS, Reason
from smsgate.known_sentences import CHECKS, FOREIGN, OURS, Known, retold, retold_check
from smsgate.languages import ENGLISH, language_called, speaking
from smsgate.ledger.states import RecipientState
from smsgate.protocol.answers import Answer

pytestmark = [pytest.mark.heavy, pytest.mark.unmeasured]

UKRAINIAN = language_called("uk")
ROOT = Path(smsgate.__file__).parent
FIELD = re.compile(r"{\w+}")
HOLE = re.compile(r"{\w*}|%\w")
Template = tuple[str, ...]
"""The pieces of a sentence between its values."""


def pieces_of(node: ast.AST) -> Template:
    """Return the pieces of a string in the source, none if this is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return tuple(HOLE.split(node.value))
    if not isinstance(node, ast.JoinedStr):
        return ()
    pieces = [""]
    for value in node.values:
        if isinstance(value, ast.Constant):
            pieces[-1] += str(value.value)
        else:
            pieces.append("")
    return tuple(pieces)


@cache
def said_in_the_source() -> tuple[tuple[str, int, re.Pattern[str]], ...]:
    """Return every string of the package, with {} for its values, its length and its shape.

    The table itself is left out.
    """
    found = {
        pieces
        for path in ROOT.rglob("*.py")
        if path.name != "known_sentences.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if len("".join(pieces := pieces_of(node))) > 1
    }
    return tuple(
        (
            "{}".join(pieces),
            sum(map(len, pieces)),
            re.compile(".*".join(map(re.escape, pieces)), re.DOTALL),
        )
        for pieces in found
    )


def is_said(known: Known) -> bool:
    """Return whether a string of the source has this sentence, or is the greater part of it."""
    form = known if isinstance(known, str) else known[1]
    within = re.compile(".+".join(map(re.escape, FIELD.split(form))))
    length = len(FIELD.sub("", form))
    return any(
        within.search(said) or (2 * size >= length and shape.search(form))
        for said, size, shape in said_in_the_source()
    )


COMPOSED = {"line {line} of request {request}", "the file is not a stop list, or damaged"}
"""Sentences that the source puts together from short pieces."""


def test_known_sentences_are_those_of_the_source():
    assert [known for known in OURS if not is_said(known) and known not in COMPOSED] == []


@pytest.mark.parametrize(
    ("known", "there"),
    [
        ("the file is empty", True),
        ("the file is blank", False),
        ("the gateway has not worked for {duration}: {why}", True),
        ("the gateway did not work for {duration}: {why}", False),
    ],
)
def test_changed_sentence_would_be_noticed(known: str, there: bool):
    assert is_said(known) is there


# What an operator of a campaign may meet

READ = (
    "campaign/atomic_file.py", "campaign/columns.py", "campaign/delimited.py",
    "campaign/encodings.py", "campaign/given_numbers.py", "campaign/planning.py",
    "campaign/prices.py", "campaign/row_options.py", "campaign/runner.py",
    "campaign/sources.py", "campaign/spreadsheets.py", "campaign/stopping.py",
    "campaign/template.py", "campaign/window.py", "campaign/recipient_zones.py",
    "ledger/sqlite/campaign_file.py", "ledger/sqlite/connection.py", "ledger/sqlite/journal.py",
    "ledger/sqlite/lock.py", "ledger/sqlite/place.py", "ledger/sqlite/sqlite_stop_list.py",
    "ledger/sqlite/statements.py", "ledger/stop_numbers.py", "ledger/postgres/postgres_filling.py",
    "ledger/postgres/postgres_journal.py", "ledger/postgres/postgres_reader.py",
    "ledger/postgres/postgres_stop_list.py", "ledger/postgres/reconnection.py",
    "ledger/postgres/tables.py", "phone.py", "cli/campaign_commands.py", "cli/confirming.py",
    "cli/credentials.py", "cli/doctor_command.py", "cli/preview_commands.py", "cli/price_list.py",
    "cli/row_choices.py", "cli/stop_list_commands.py", "cli/when_to_send.py",
)  # fmt: skip
FOR_PROGRAMS = {
    "states: must be a collection of {}", "{}: must be {}",
    "amount: must be a Decimal, 0 or more", "currency: {}", "a spreadsheet", "a country",
    "{} hidden in the sheet ({}); {}", "{} (by a filter or by hand: {}); {}",
}  # fmt: skip
"""Errors that no command can cause, and pieces of errors, whose wholes are tested below."""


def raised_in(path: str) -> Iterator[str]:
    """Yield the sentences with which a module raises, with 7 or A_B for each value."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        for given in node.exc.args:
            pieces = pieces_of(given)
            if not pieces or "{}".join(pieces) in FOR_PROGRAMS:
                continue
            if " " in "".join(pieces).strip(": "):
                fill = "A_B" if pieces[-2:-1] and pieces[-2].endswith("set ") else "7"
                yield fill.join(pieces)


@pytest.mark.parametrize("path", READ)
def test_errors_that_operators_meet_are_retold(path: str):
    english = [one for one in raised_in(path) if not is_ukrainian(retold(one, UKRAINIAN))]
    assert english == []


def is_ukrainian(said: str) -> bool:
    """Return whether a sentence has no English words but those in quotes, options and names."""
    left = re.sub(r"«[^»]*»|'[^']*'|`[^`]*`|--[\w-]+|\S*[=/.]\w\S*|~/\S+", "", said)
    left = re.sub(r"\b(smsgate|SQLite|SQLAlchemy|postgresql|UTF|IANA|Auth|async with)\b", "", left)
    return re.search(r"[a-z]{2,} [a-z]{2,}", left) is None and bool(re.search("[а-яіїє]", left))


def test_advice_and_reasons_of_the_gateway_are_retold():
    said = [row.advice for row in REASONS.values()]
    for error, row in OUTCOMES.items():
        if error.__name__ not in ("InFlight", "KeyReused"):  # of the outbox alone
            said += [row.meaning, row.next_step(sends=True), row.next_step(sends=False)]
    of_the_outbox = {
        REASONS[one].advice for one in (Reason.CANCELLED, Reason.PROCESS_ENDED, Reason.FAILED_OVER)
    }
    english = [one for one in said if not is_ukrainian(retold(one, UKRAINIAN))]
    assert set(english) <= of_the_outbox
    for words in (Reason, RecipientState, Answer):
        names = [str(one) for one in words if one not in ("authorised", "sent", "unrecognised")]
        assert [one for one in names if retold(one, UKRAINIAN) == one] == []


# How a sentence is found


@pytest.mark.parametrize(
    ("english", "ukrainian"),
    [
        ("the file is empty", "файл порожній"),
        ("The words of a user: no number.", "The words of a user: немає номера."),
        ("Не удалось распознать номер", "Не удалось распознать номер"),
        ("a {brace} of the gateway {", "a {brace} of the gateway {"),
        ("", ""),
        ("paused: by olena (lunch)", "призупинено: призупинив користувач olena (lunch)"),
        (INTERRUPTED, "перервано, поки запит виконувався"),
        ("phone column: 2 columns have this name; rename one of them",
         "стовпець із номерами: таку назву мають 2 стовпці; перейменуйте один із них"),
        ("phone column: 1,005 columns have this name; rename one of them",
         "стовпець із номерами: таку назву мають 1\u00a0005 стовпців; перейменуйте один із них"),
        ("the gateway has not worked for 1 h 10 min: no connection",
         "шлюз не працював 1 год 10 хв: немає з’єднання"),
        ("it is not the time to send; waiting until 6 March 2026, 12:00:00 (UTC+02:00)",
         "зараз надсилати не можна; чекаємо: 6 березня 2026, 12:00:00 (UTC+02:00)"),
        ("it is not the time to send; waiting until 6 Marts 2026",
         "зараз надсилати не можна; чекаємо: 6 Marts 2026"),
        ("delimiter: it may be the comma, semicolon or tab; name the right one with --delimiter",
         ("роздільник може бути різний (кома, крапка з комою або табуляція);"
         " назвіть правильний через --delimiter")),
        ("resolved in 1.5 ms, with 2 addresses", "знайдено за 1,5 мс, 2 адреси"),
        (("sending to all pending recipients would cost about 1,234.50 UAH, and the most allowed is"
         " 500.00 UAH"),
         ("надсилання всім, хто чекає, коштувало б приблизно 1\u00a0234,50 UAH, а дозволено"
         " щонайбільше 500,00 UAH")),
        ("Fish, chips or peas", "Fish, chips or peas"),
        ("nothing was sent: no connection could be made (Connection refused)",
         "нічого не надіслано: з’єднання встановити не вдалося (у з’єднанні відмовлено)"),
        ("Top up the account. Nothing was sent.", "Поповніть рахунок. Нічого не надіслано."),
        ("not a number of Ukraine: it has 10 digits after +380, not 9",
         "не номер України: після +380 — 10 цифр, а не 9"),
        (("SMSGATE_LOGIN and SMSGATE_PASSWORD must be set, in the environment or in an .env file"
         " (--env-file)"),
         "задайте SMSGATE_LOGIN і SMSGATE_PASSWORD у середовищі або у файлі .env (--env-file)"),
    ],
    ids=lambda said: said[:40] if said.isascii() else "uk",
)  # fmt: skip
def test_sentence_is_retold_with_its_values(english: str, ukrainian: str):
    assert retold(english, UKRAINIAN) == ukrainian
    assert retold(english, ENGLISH) == english
    assert retold(english) == english
    with speaking("uk"):
        assert retold(english) == ukrainian


@pytest.mark.parametrize(
    "word", ["name", "by Anna", "address (old)", "12.5", "1 May 2026", "skipped", "3 s", "a or tab"]
)
@pytest.mark.parametrize(
    "sentence",
    [
        "text: no column for the field {{{word}}}; the columns are phone, {word}",
        "phone column: no column has this name; the columns are {word}",
        "sheet: no sheet has this name; the sheets are {word}, {word}",
        "no value in the column {word}",
        "column {word}: not a phone number",
        "{word}, the first of 3",
        "excluded: in {word}",
        "by {word}",
        "{word} is not a valid integer.",
    ],
    ids=lambda said: said[:20],
)
def test_words_of_a_user_are_shown_as_they_are(sentence: str, word: str):
    said = retold(sentence.format(word=word), UKRAINIAN)
    assert said.count(word) == sentence.count("{word}")
    assert re.search("[а-яіїє]", said)


def test_names_of_checks_are_found_only_where_a_check_is_shown():
    for check in CHECKS:
        assert retold(check, UKRAINIAN) == check
        assert is_ukrainian(retold_check(check, UKRAINIAN))
        assert retold_check(check, ENGLISH) == check
    assert retold("it needs the check «name»", UKRAINIAN) == "потрібна перевірка «ім’я в DNS»"
    assert retold("name, status (clock)", UKRAINIAN) == "name, status (clock)"
    assert retold_check("about «login»", UKRAINIAN) == "щодо «вхід»"


@pytest.mark.parametrize(
    "sentence",
    [
        (
            "the stop list stop.db: the file, or its log in the same folder, cannot be opened:"
            " check the permissions of both files and of the folder (unable to open database file)"
        ),
        "stop.db: the file is not a stop list, or damaged (file is not a database)",
        "the file is damaged: restore it from a backup (database disk image is malformed)",
        "the database refuses connections from this machine (pg_hba.conf) (Connection refused)",
        "login: contains a line feed; it must be one line",
        "sender: must be a string that is not blank",
        "1 of 2 numbers is on the stop list; nothing was sent",
        "2 of 3 numbers are on the stop list; nothing was sent",
    ],
)
def test_sentence_with_a_hint_and_a_cause_is_retold_whole(sentence: str):
    said = retold(sentence, UKRAINIAN)
    assert set(re.findall("[A-Za-z]{2,}", said)) <= {"stop", "db", "pg", "hba", "conf", "login",
                                                     "sender"}  # fmt: skip


def test_split_that_changes_nothing_is_not_taken():
    assert retold("a: b (c)", UKRAINIAN) == "a: b (c)"
    assert retold("((a)", UKRAINIAN) == "((a)"
    assert retold("a ()", UKRAINIAN) == "a ()"
    assert retold("no number (a (b))", UKRAINIAN) == "немає номера (a (b))"


@pytest.mark.parametrize("note", ["no number. " * 1_000, "((" * 300, "a or " * 300, "x" * 3_000])
def test_long_note_of_an_operator_is_shown_as_it_is(note: str):
    assert retold(f"by olena ({note})", UKRAINIAN) == f"by olena ({note})"


def test_sentences_of_others_have_no_field_that_is_everything():
    for known in (*OURS, *FOREIGN):
        for form in (known,) if isinstance(known, str) else known:
            assert len(FIELD.sub("", form).strip(" {}()':;,.")) >= 2, form


@pytest.mark.parametrize(
    ("english", "ukrainian"),
    [
        ("1 for 2 destinations", "результатів — 1, номерів — 2"),
        ("the certificate is not trusted", "сертифікату не можна довіряти"),
        ("bad credentials", "неправильний логін або пароль"),
        ("*** is accepted with its password", "логін *** і пароль прийнято"),
        ("the answer is not one of a login", "це не відповідь на вхід"),
        (
            "timed out after 5 s, waiting for the login of another call",
            "час вичерпано (5 с) під час очікування входу іншого виклику",
        ),
    ],
    ids=lambda said: said[:30] if said.isascii() else "uk",
)
def test_ukrainian_is_natural(english: str, ukrainian: str):
    assert retold(english, UKRAINIAN) == ukrainian


@pytest.mark.parametrize("literal", ["Хибн", "хибн", "у останній", "у чеканні", "не довірений"])
def test_ukrainian_has_no_word_that_was_replaced(literal: str):
    catalogue = ROOT / "locale" / "uk" / "LC_MESSAGES" / "smsgate.po"
    assert literal not in catalogue.read_text("utf-8")
