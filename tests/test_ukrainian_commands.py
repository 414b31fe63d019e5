"""The commands in Ukrainian: the whole life of a campaign has no English sentence.

The real command runs against a real sandbox, on both ledgers. JSON, exit codes and what a campaign
records are the same in both languages.
"""

from __future__ import annotations

import ast
import getpass
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest
import test_known_sentences
from commands import run_command
from test_campaign_ledgers import Places, places
from test_cli import Finished, Smsgate, bare, clean_environment
from test_cli_campaign import NOT_RECOGNISED, OUTCOME_UNKNOWN, account, campaign, running, sandbox
from test_cli_terminal import terminal

from smsgate.cli.exits import Exit
from smsgate.languages import language_called, speaking
from smsgate.sandbox import AccountState, Sandbox, Settings

pytestmark = [pytest.mark.heavy, pytest.mark.unmeasured]

__all__ = ["account", "bare", "campaign", "places", "running", "sandbox"]

UKRAINIAN = {"LANG": "uk_UA.UTF-8"}
ROWS = "ім’я;phone;місто\n" + "".join(
    f"Олена {number};{phone};{city}\n"
    for number, (phone, city) in enumerate(
        [
            ("+380501234501", "Київ"), ("+380501234502", "Львів"), ("+48501234567", "Варшава"),
            ("+380501234501", "Київ"), ("12", "Київ"), ("", "Київ"), ("3,8E+11", "Київ"),
            ("+380501234503", ""), (NOT_RECOGNISED, "Суми"), (OUTCOME_UNKNOWN, "Луцьк"),
            ("+3805012345011", "Київ"), ("067x1234567", "Київ"), ("+380671112233", "Одеса"),
        ],
        start=1,
    )
)  # fmt: skip
NAMES = {
    "phone", "Shop", "utf", "GSM", "UCS", "UTC", "UAH", "Excel", "Europe", "Kyiv", "Warsaw",
    "Ctrl", "UA", "PL", "SMS", "spring", "contacts", "csv", "sms", "html", "out", "purge",
    "stop", "db", getpass.getuser(),
}  # fmt: skip
"""Names, codes and words of these tests."""

Command = Callable[..., Finished]


def english_in(done: Finished) -> list[str]:
    """Return the Latin words that are no command, path, option, id, name or code."""
    said = _NO_WORDS.sub("", done.out + done.err)
    return [word for word in re.findall("[A-Za-z]{2,}", said) if word not in NAMES]


_NO_WORDS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]+|smsgate .*|«[^»]*»|--[\w-]+( N| ID)?|\S*[/]\S+|\w+\.csv"
)


@pytest.fixture
def command(places: Places, campaign: Smsgate, tmp_path: Path) -> Command:
    """A campaign command in Ukrainian, about the campaign `spring` on one of the two ledgers."""
    (tmp_path / "contacts.csv").write_text(ROWS, "utf-8")
    (tmp_path / "prices.csv").write_text("destination,price,currency\nUA,0.62,UAH\n", "utf-8")
    place = ["spring.sms"] if places.database is None else ["spring"]
    options = [] if places.database is None else ["--database", places.database]

    def run(name: str, *arguments: str, **variables: str) -> Finished:
        return campaign(name, *place, *arguments, *options, **(UKRAINIAN | variables))

    return run


def test_life_of_a_campaign_has_no_english_words(
    command: Command, bare: Smsgate, tmp_path: Path
) -> None:
    stop_list = "stop.db"  # a long path would be wrapped, and its ends read as words
    add = "stoplist", "add", "+380671112233", "--file", stop_list, "--reason", "написав СТОП"
    text = "Вітаємо, {ім’я}! Знижка в місті {місто} – 20 %"
    new = "contacts.csv", "--sender", "Shop", "--text", text, "--stop-list", stop_list
    steps: list[tuple[Finished, int]] = [
        (bare(*add, **UKRAINIAN), 0),
        (bare("stoplist", "list", "--file", stop_list, **UKRAINIAN), 0),
        (command("new", *new, "--prices", "prices.csv", "--between", "00:00-23:59"), 0),
        (command("skipped"), 0),
        (command("preview", "-n", "3"), 0),
        (command("test", "+380501112233", "--yes"), 0),
        (command("run", "--yes", "--max-cost", "1"), Exit.REFUSED),
        (command("run", "--yes", "--max-cost", "0.5 UAH", "--prices", "prices.csv"), 3),
        (command("run", "--yes", "--rate", "90", "--any-time"), Exit.IN_DOUBT),
        (command("run", "--yes"), Exit.IN_DOUBT),
        (command("status", "--prices", "prices.csv"), 0),
        (command("report"), 0),
        (command("in-doubt"), Exit.IN_DOUBT),
        (command("resolve", "--sent", "--request", "99"), Exit.USAGE),
        (command("resolve", "--sent", "--resend"), Exit.USAGE),
        (command("purge", "--yes"), Exit.USAGE),
        (command("resolve", "--give-up", "--note", "бачив провайдер"), 0),
        (command("in-doubt"), 0),
        (command("poll", "--again", "0.1"), 0),
        (command("status"), 0),
        (command("export", "out.csv", "--state", "accepted"), 0),
        (command("export", "out.csv"), Exit.USAGE),
        (command("report", "--html", "out.html"), 0),
        (command("purge", "--yes"), 0),
    ]
    assert [(done.code, done.err) for done, code in steps if done.code != code] == []
    found = {place: words for place, (done, _) in enumerate(steps) if (words := english_in(done))}
    assert found == {}
    said = "\n".join(done.out for done, _ in steps)
    assert "Вартість прийнятих повідомлень" in said
    assert "пропущено, бо" in said
    assert "повторює рядок 2" in said
    page = (tmp_path / "out.html").read_text("utf-8")
    assert 'lang="uk"' in page
    assert "Excel скоротив цей номер" in page


def test_cancelled_recipients_are_told_in_ukrainian(command: Command, places: Places) -> None:
    assert command("new", "contacts.csv", "--sender", "Shop", "--text", "Привіт").code == 0
    asked = command("resolve", "--cancel", "--line", "2-3")
    done = command("resolve", "--cancel", "--line", "2-3", "--yes")
    assert done.out.startswith("Рішення — скасувати (не надсилати): 2 одержувачі. ")
    status = command("status")
    assert [english_in(one) for one in (asked, done)] == [[], []]
    assert "скасував користувач" in status.out
    with places.open("spring" if places.database else "spring.sms") as opened:
        (reason,) = opened.figures().abandoned
    assert reason.startswith("cancel by "), "records are in English"


def test_pause_of_a_database_is_told_in_ukrainian(command: Command, places: Places) -> None:
    assert command("new", "contacts.csv", "--sender", "Shop", "--text", "Привіт").code == 0
    steps = [
        command("pause", "--note", "обід"),
        command("run", "--yes"),
        command("status"),
        command("rate", "50"),
        command("resume", "--yes"),
        command("rate", "none"),
    ]
    if places.database is None:
        assert "лише для розсилки в базі даних" in steps[0].err
        return
    assert "розсилку призупинено: призупинив користувач" in steps[1].err
    assert [english_in(one) for one in steps] == [[]] * len(steps)


def test_language_option_wins_over_the_environment(campaign: Smsgate, tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text(ROWS, "utf-8")
    new = ["new", "spring.sms", "contacts.csv", "--sender", "Shop", "--text", "Привіт"]
    done = campaign(*new, "--language", "uk")
    assert (done.code, english_in(done)) == (0, [])
    status = ["status", "spring.sms"]
    for variables in (UKRAINIAN, {"LANGUAGE": "uk", "LANG": "en_US.UTF-8"}, {"LC_ALL": "uk_UA"}):
        assert "увесь список" in campaign(*status, **variables).out
        assert "whole list" in campaign(*status, "--language", "en", **variables).out
    assert "whole list" in campaign(*status, LANG="de_DE.UTF-8").out
    refused = campaign(*status, "--language", "de", **UKRAINIAN)
    assert (refused.code, refused.err.strip()) == (
        2,
        "помилка: --language: має бути одна з мов en, uk",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "none.sms"], "помилка: none.sms: за цим шляхом немає розсилки"),
        (["status"], "помилка: Бракує аргументу «FILE»."),
        (["bad"], "помилка: Немає такої команди: «bad»."),
        (["status", "a", "--bad"], "помилка: Немає такого параметра: --bad"),
        (["status", "a", "--bad", "--language=en"], "error: No such option: --bad"),
        (["status", "a", "--bad", "--language", "de"], "помилка: Немає такого параметра"),
        (["run", "a", "--rate", "x"], "помилка: Неправильне значення «--rate»: має бути число"),
        (["new", "b", "no.csv", "--text", "x"], "no.csv: такого файла або теки немає"),
        (["rate", "b", "x"], "N: має бути кількість одержувачів за секунду або «none»"),
        (["purge", "contacts.csv"], "помилка: цей файл — не розсилка (це не база даних)"),
        (["new", "b", "contacts.csv", "--text", "{но}", "--sender", "Shop"],
         "текст: немає стовпця для поля {но}; є стовпці:"),
    ],
    ids=[
        "no campaign", "no argument", "no command", "no option", "in English", "no language",
        "no number", "no file", "no rate", "no database", "no column",
    ],
)  # fmt: skip
def test_usual_errors_are_told_in_ukrainian(
    campaign: Smsgate, arguments: list[str], said: str
) -> None:
    done = campaign(*arguments, **UKRAINIAN)
    assert done.code == Exit.USAGE
    assert said in " ".join(done.err.split())


def test_words_of_the_user_are_not_translated(campaign: Smsgate, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("phone,name,by Anna\n+380501234501,O,x\n", "utf-8")
    new = "new", "a.sms", "list.csv", "--sender", "Shop", "--text", "{foo}"
    said = " ".join(campaign(*new, **UKRAINIAN).err.split())
    assert "є стовпці: phone, name, by Anna" in said


def test_prompts_are_in_ukrainian(tmp_path: Path) -> None:
    with terminal(
        "init", "--language", "uk", "--url", "http://127.0.0.1:9/", cwd=tmp_path
    ) as child:
        child.read(until="Логін: ")
        child.type("shop")
        child.read(until="Пароль: ")
        child.type("secret-word")
        child.read(until="якщо не потрібен): ")
        child.type("Shop")
        child.read(until="Записано")
    assert "Login" not in child.screen


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251", "utf-8"])
def test_output_without_cyrillic_letters_is_english(tmp_path: Path, encoding: str) -> None:
    for arguments, english, ukrainian in (
        (["campaign", "status", "none.sms"], "there is no campaign", "немає розсилки"),
        (["campaign", "status"], "Missing argument", "Бракує аргументу"),
    ):
        said = run_command(
            [*arguments, "--language", "uk"],
            environment=clean_environment(PYTHONIOENCODING=encoding),
            folder=tmp_path,
        )
        shown = said.err.decode(encoding)
        assert (english in shown) is (encoding in ("ascii", "latin-1"))
        assert (ukrainian in shown) is (encoding in ("cp1251", "utf-8"))
        assert "????" not in shown


def test_wording_of_the_outcome_in_doubt(command: Command) -> None:
    assert command("new", "contacts.csv", "--sender", "Shop", "--text", "Привіт").code == 0
    assert command("run", "--yes").code == Exit.IN_DOUBT
    shown = command("in-doubt").out
    assert "Результат невідомий для 7 одержувачів (1 запит)." in shown
    assert "Щоб ухвалити рішення для всіх, про кого невідомо (для частини з них додайте" in shown
    decided = command("resolve", "--sent", "--yes").out
    assert decided.startswith("Рішення — вважати надісланим: 7 одержувачів. Ще невідомо: 0.")


def test_json_and_exit_codes_do_not_change_with_the_language(
    campaign: Smsgate, tmp_path: Path
) -> None:
    (tmp_path / "contacts.csv").write_text(ROWS, "utf-8")
    new = ["contacts.csv", "--sender", "Shop", "--text", "Привіт", "--json"]
    read = [["skipped"], ["in-doubt"], ["preview"], ["run", "--max-cost", "0", "--yes"], ["pause"]]
    said: list[list[object]] = []
    for name, variables in (("a.sms", {}), ("b.sms", UKRAINIAN)):
        steps = [campaign("new", name, *new, **variables)]
        steps += [campaign(one, name, *more, "--json", **variables) for one, *more in read]
        said.append(
            [(done.code, done.out.replace(name, "x").replace("b.sms", "x")) for done in steps]
        )
    assert said[0] == said[1]
    assert json.loads(said[1][-1][1])["error"]["message"].startswith("pause: only for")


def test_doctor_speaks_ukrainian_and_its_json_english(
    bare: Smsgate, account: dict[str, str]
) -> None:
    done = bare("doctor", **account, **UKRAINIAN)
    allowed = {
        "smsgate", "Python", "CPython", "Linux", "httpx", "httpcore", "pydantic", "anyio",
        "OpenSSL", "DNS", "http", "cookie", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
        "Sep", "Oct", "Nov", "Dec", "SMSGATE", "CONCURRENCY", "x86", "aarch64", "Darwin", "arm64",
    }  # fmt: skip
    assert done.code == 0
    assert set(english_in(done)) <= allowed
    assert "нічого не надіслано, кредитів не витрачено" in done.out
    checks = json.loads(bare("doctor", "--json", **account, **UKRAINIAN).out)["checks"]
    assert checks[0]["check"] == "address"
    assert "on this machine" in checks[0]["text"]


def test_doctor_says_in_ukrainian_what_to_change(bare: Smsgate, account: dict[str, str]) -> None:
    done = bare("doctor", **(account | {"SMSGATE_PASSWORD": "wrong"}), **UKRAINIAN)
    assert done.code == Exit.REFUSED
    assert "потрібна перевірка «вхід»" in " ".join(done.out.split())
    assert "Візьміть логін і пароль шлюзу, а не сайту" in " ".join(done.out.split())
    with Sandbox(Settings(account=AccountState.BLOCKED)) as blocked:
        own = {
            "SMSGATE_LOGIN": "sandbox",
            "SMSGATE_PASSWORD": "sandbox",
            "SMSGATE_URL": blocked.url,
        }
        said = bare("doctor", **own, **UKRAINIAN).out
    assert "обліковий запис заблоковано" in " ".join(said.split())


# What is shown is marked

SPEAKING = (
    "campaign_commands", "campaign_views", "preview_commands", "preview_view", "price_list",
    "progress", "rewriting_options", "stop_list_commands", "stop_options", "when_to_send",
    "confirming", "doctor_command",
)  # fmt: skip
MARKED = {"say", "plural", "translatable"}
NOT_SHOWN = MARKED | {"Option", "Argument", "Typer", "ValueError", "state_option"}
SILENT = re.compile(
    r"bold cyan|bold yellow|black on yellow|stopped immediately"
    r"|\s*smsgate .*|\s*--line .*|--typographic .*|\s*in-doubt.csv .*",
    re.DOTALL,
)
"""Strings of two words that are no sentence, or that `known_sentences` has."""


def unmarked_in(source: str) -> Iterator[str]:
    """Yield the strings of two words that a module may show without their translation."""
    hidden: set[int] = set()
    for node in ast.walk(tree := ast.parse(source)):
        called = getattr(node, "func", None)
        name = getattr(called, "attr", getattr(called, "id", ""))
        of_an_error = isinstance(node, ast.FunctionDef) and node.name == "_not_there"
        if name in NOT_SHOWN or isinstance(node, ast.Raise) or of_an_error:
            hidden |= {id(one) for one in ast.walk(node)}
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            hidden.add(id(node.value))
    for node in ast.walk(tree):
        words = " ".join(test_known_sentences.pieces_of(node))
        two = re.search("[A-Za-z]{2,} [A-Za-z]{2,}", words)
        if two and id(node) not in hidden and not SILENT.fullmatch(words):
            yield words


@pytest.mark.parametrize("module", SPEAKING)
def test_sentences_of_speaking_commands_are_marked(module: str) -> None:
    source = Path(test_known_sentences.ROOT / "cli" / f"{module}.py").read_text("utf-8")
    assert list(unmarked_in(source)) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('Text(say("No recipient is skipped."))', []),
        ('Text("No recipient is skipped.")', ["No recipient is skipped."]),
        ('Text(f"No recipient is {state}.")', ["No recipient is  .", "No recipient is "]),
        ('raise ValueError("not confirmed; nothing was done")', []),
    ],
)
def test_unmarked_sentence_would_be_noticed(source: str, found: list[str]) -> None:
    assert list(unmarked_in(source)) == found


def test_reader_is_known_in_the_thread_of_a_bar() -> None:
    from smsgate.cli.progress import DoneOfTotal  # noqa: PLC0415 - loads rich

    with speaking("uk"):
        column = DoneOfTotal()
    assert column._language is language_called("uk")


def test_name_of_a_sheet_is_not_translated(bare: Smsgate, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["phone"], ["+380501234501"]):
        book.active.append(row)
    book.active.title = "paused"
    book.save(tmp_path / "list.xlsx")
    new = "campaign", "new", "a.sms", "list.xlsx", "--sender", "Shop", "--text", "Вітаємо"
    done = bare(*new, **UKRAINIAN)
    assert (done.code, "аркуш paused" in done.out) == (0, True), done.out + done.err
