"""Sentences that are raised, logged or stored in English, and shown in the reader's language.

An error, a reason in a journal or a finding of the doctor is an English sentence, as programs and
logs read it. A command or a report shows it with `retold`, which finds the sentence in the table
and fills the values, retold in turn, into its translation. A sentence that is not in the table,
such as one of the gateway, is shown as it is.

Rules of this file: a sentence stands here as the code says it, with a name for each value; a test
looks it up there. `{number}` stands for a number only, and decides the plural; `_KINDS` has the
other fields that are not just anything. The value of a field of `_AS_IT_IS`, such as `{column}`, is
somebody's own word and is never retold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from .languages import MONTHS, Language, spoken, translatable, translatable_plural

__all__ = ["CHECKS", "FOREIGN", "OURS", "Known", "retold", "retold_check"]

Known = str | tuple[str, str]
"""A sentence, or the pair of one for one and one for many."""

OURS: tuple[Known, ...] = (
    # Runs and polling.
    translatable("stopped immediately"),
    translatable("paused"),
    translatable("finished"),
    translatable("stopped"),
    translatable("cut off"),
    translatable("other machines are sending to the last recipients"),
    translatable_plural(
        "sending to all pending recipients would cost about {number} credit, and the most allowed"
        " is {most}",
        "sending to all pending recipients would cost about {number} credits, and the most allowed"
        " is {most}",
    ),
    translatable(
        "sending to all pending recipients would cost about {cost}, and the most allowed is {most}"
    ),
    translatable_plural(
        "sending to all pending recipients would cost about {cost}, while {number} recipient has"
        " no price, and the most allowed is {most}",
        "sending to all pending recipients would cost about {cost}, while {number} recipients have"
        " no price, and the most allowed is {most}",
    ),
    translatable_plural(
        "{number} recipient has no price in the price list, so the run may cost more than {most}",
        "{number} recipients have no price in the price list, so the run may cost more than {most}",
    ),
    translatable(
        "{error}; the run has waited {duration}. Run the campaign again when that program has"
        " finished"
    ),
    translatable("{error}; the run starts when that program has finished"),
    translatable_plural(
        "the last run was interrupted while requests were in flight: {number} recipient is in"
        " doubt",
        "the last run was interrupted while requests were in flight: {number} recipients are in"
        " doubt",
    ),
    translatable_plural(
        "{error}. The outcome of {number} recipient could not be recorded: it is in doubt",
        "{error}. The outcomes of {number} recipients could not be recorded: they are in doubt",
    ),
    translatable("the gateway has not worked for {duration}: {why}"),
    translatable("the gateway does not work ({why}); next attempt in {duration}"),
    translatable("the gateway does not answer ({why}); next request in {duration}"),
    translatable("it is not the time to send; waiting until {moment}"),
    translatable("the hours have a minute in common in all time zones"),
    translatable("the hours of the campaign cannot be computed here: {error}"),
    translatable("by {who}"),
    translatable("an operator paused it"),
    translatable("the campaign is paused: {why}. To let it send again: {command}"),
    # Why recipients are in doubt, refused or abandoned.
    translatable("interrupted while the request was in flight"),
    translatable("interrupted before any byte of the request went out"),
    translatable("not among the allowed numbers of this test environment"),
    translatable("the answer does not give the outcome of some recipients"),
    translatable("the process ended before the answer was recorded"),
    translatable("the process that was sending ended or stopped before it recorded the answer"),
    translatable(
        "the database failed over to a standby, which may lack the record of messages that were"
        " sent. Nothing is sent until an operator has run 'smsgate database accept-failover'"
    ),
    translatable("cancel by {who}"),
    translatable("give up by {who}"),
    translatable("assume sent by {who}"),
    translatable("the number is on the stop list; nothing was sent"),
    # Why recipients are skipped.
    translatable(
        "Excel has shortened this number: format the column as text and save the list again"
    ),
    translatable("more than one number in one cell"),
    translatable(
        "perhaps two numbers in one cell; if it is one number, write it with + and the calling"
        " code, or set a country"
    ),
    translatable("no value in the column {column}"),
    translatable("column {column}: {fault}"),
    translatable("a failed formula"),
    translatable("its state in the list is {state}, which was not chosen"),
    translatable("no sender in the column {column}"),
    translatable("excluded: in {list}"),
    translatable("excluded: in the campaign {name}"),
    translatable("the campaign {name}"),
    translatable("repeats line {line}"),
    translatable("repeats another line"),
    translatable("misplaced quotes"),
    translatable("the line is too long"),
    translatable("a cell is too long"),
    translatable("more cells than the header"),
    translatable("more cells than other rows"),
    translatable(
        "a date with the name of a month or a day, which depends on the language of the"
        " spreadsheet program: write the date as text"
    ),
    translatable("bytes in UTF-8, but the list is read as {encoding}"),
    translatable("has a line break {place}; separate numbers by commas"),
    translatable("the character {place} is not allowed"),
    translatable("at position {position} (U+{code})"),
    translatable("not a phone number"),
    translatable("not a phone number in the international format"),
    translatable("+ and 8 to 15 digits, calling code first"),
    translatable("it has no digits"),
    translatable("it begins with 00; write + in place of 00"),
    translatable("it begins with 0, as a local number does"),
    translatable("no calling code begins with 0"),
    translatable("80 and nine digits is the old long-distance format"),
    translatable("8 and ten digits is the domestic format of Kazakhstan and Russia"),
    translatable("without a + it needs at least 11 digits"),
    translatable("write + and the calling code, or set a country"),
    translatable("has a decimal part, as spreadsheets add it"),
    translatable("cannot be read as a phone number of {country}"),
    translatable("cannot exist: no operator in its country has such numbers"),
    translatable("not a mobile number"),
    translatable("has {trunk} after the calling code {code}; remove the {zero}"),
    translatable_plural(
        "not a number of Ukraine: it has {number} digit after {code}, not {right}",
        "not a number of Ukraine: it has {number} digits after {code}, not {right}",
    ),
    translatable("bytes that are invalid in the encoding of the file"),
    translatable("the row is hidden in the sheet"),
    translatable("the character at position {position} (U+{code}) cannot be sent in an SMS"),
    translatable(
        "a sender is a name of 1 to 11 characters out of A-Z a-z 0-9 . - & or a phone number"
    ),
    translatable("sender: {rule}"),
    translatable("destination {place} repeats destination {other}"),
    translatable("at least one destination is needed"),
    # Lists and their options.
    translatable("the file is empty"),
    translatable(
        "line {line}: {complaint}, and this line may be the header; correct or remove the line"
    ),
    translatable(
        "line {line}: {fault}; name another encoding with --encoding, or correct the line"
    ),
    translatable("line {line}: the file ends in the middle of a character; is it complete?"),
    translatable("line {line}: unreadable from here on ({complaint}); is a quote missing?"),
    translatable(
        "line {line}: a cell continues over other rows; a quote is missing, or there is one too"
        " many. If the cell is right, write it on one line"
    ),
    translatable(
        "phone column: the first rows point to {first}, but all rows together to {all}; name the"
        " right one"
    ),
    translatable("phone column: no column has this name; the columns are {names}"),
    translatable_plural(
        "phone column: {number} column has this name; rename one of them",
        "phone column: {number} columns have this name; rename one of them",
    ),
    translatable(
        "phone column: it cannot be determined, as several columns may have the numbers ({names});"
        " name the right one"
    ),
    translatable("phone column: it cannot be determined; name it. The columns are {names}"),
    translatable("delimiter: must be one character, not a quote and not a line break"),
    translatable("delimiter: it may be the {marks}; name the right one with --delimiter"),
    translatable("delimiter: must be a comma, a semicolon, a tab or a bar"),
    translatable("comma"),
    translatable("semicolon"),
    translatable("tab"),
    translatable("bar"),
    translatable("encoding: this encoding is unknown"),
    translatable(
        "encoding: {unicode} lines are UTF-8 and {other} are not; save the list in one encoding,"
        " or {ask}"
    ),
    translatable(
        "encoding: the list is not in UTF-8, and its words make no sense in any Cyrillic encoding;"
        " {ask}"
    ),
    translatable(
        "encoding: the list is not in UTF-8, and too short to tell whether it is {encodings}; {ask}"
    ),
    translatable(
        "name it with --encoding, such as utf-8, cp1251 (Windows), cp1125 (DOS), koi8-u,"
        " mac-cyrillic or cp1252 (Western Europe)"
    ),
    translatable("hidden: must be include or skip"),
    translatable("the file is protected by a password; save it without one"),
    translatable("the file is not a readable spreadsheet ({error})"),
    translatable("it has a DOCTYPE"),
    translatable("sheet: no sheet has this name; the sheets are {names}"),
    translatable("sheet: all sheets are hidden; name one with --sheet: {names}"),
    translatable("columns with numbers are hidden in the sheet ({names}); {choice}"),
    translatable("a column with numbers is hidden in the sheet ({names}); {choice}"),
    translatable(
        "hidden rows and columns cannot be detected in a file of this kind: save it as XLSX, or"
        " use --hidden include if none is hidden"
    ),
    translatable_plural(
        "{number} row of the sheet {sheet} is hidden (by a filter or by hand: {rows}); {choice}",
        "{number} rows of the sheet {sheet} are hidden (by a filter or by hand: {rows}); {choice}",
    ),
    translatable("a row of the sheet {sheet} is hidden (by a filter or by hand: {rows}); {choice}"),
    translatable("{sheet}, the first of {all}"),
    translatable("{sheet}, the first visible of {all}"),
    translatable("sender column: no column has this name; the columns are {names}"),
    translatable("sender column: several columns have this name; rename one of them"),
    translatable("sender: must be given: an approved name or a phone number"),
    translatable("duplicates: must be skip or send"),
    translatable(
        "the list is an export of a campaign, and its accepted recipients have a message already:"
        " name the states to send to, such as --state refused"
    ),
    translatable("state: the list has no column 'state', so it is not an export"),
    translatable(
        "text: several columns are named {name}, so the field {field} is ambiguous; rename the"
        " columns"
    ),
    translatable("text: single brace at position {position}; write it twice for a literal brace"),
    translatable("text: the field at position {position} has no name"),
    translatable("text: no column for the field {field}; the columns are {names}"),
    translatable(
        "text: the backslash at position {position} must be followed by n, t or another backslash"
    ),
    translatable("text or wappush must be given"),
    translatable("a text must not be blank"),
    translatable(
        "a wappush is an address that begins with http:// or https:// and has no white space"
    ),
    translatable("a country is its two-letter code of ISO 3166, in capitals, such as UA"),
    translatable("destination {place} {error}"),
    translatable("is {complaint}"),
    translatable("NUMBER {place}: {error}"),
    translatable("excluded lists"),
    translatable("the numbers of this campaign were deleted by a purge"),
    translatable("the file exists already"),
    translatable("{file}: the file exists; to replace it, use --overwrite"),
    translatable("{file}: this is a folder; give the path of a file"),
    translatable("this is a folder: give the path of a file"),
    translatable("{variable}: this value cannot be written to an .env file"),
    translatable("this is not a file, so it cannot be replaced"),
    translatable("this is a database, perhaps a campaign, so it is not replaced"),
    translatable("use --hidden skip to leave them out, or --hidden include to send to them too"),
    translatable("standard input"),
    translatable("must be a number greater than 0"),
    translatable("must be an address that begins with http:// or https://"),
    translatable("a whole number from 1 to {most}"),
    # Prices and limits.
    translatable("must not be larger than 1 MB"),
    translatable("must be a text file in UTF-8"),
    translatable("destination: has a price on line {line} already"),
    translatable("currency: must be the same on all lines; the first is {currency}"),
    translatable("must have a line with a price after the header"),
    translatable("must be the header, with the columns {columns}"),
    translatable_plural(
        "must have {number} column, not {found}",
        "must have {number} columns, not {found}",
    ),
    translatable(
        "must be a two-letter country code such as UA, or the beginning of numbers, such as"
        " +38050: + and 1 to 6 digits"
    ),
    translatable("must be the price of one part, 0 or more, such as 0.62"),
    translatable("must be a code of three capital letters, such as UAH"),
    translatable("max_cost: an amount of money needs prices: a price list"),
    translatable("max_cost: must be in {currency}, the currency of the price list, or in credits"),
    translatable(
        "--max-cost: must be a number of credits, 0 or more, or an amount and a currency, such as"
        " '500 UAH'"
    ),
    translatable("--prices: cannot be used with --html, whose costs are in credits"),
    translatable("rate: must be more than 0 recipients per second"),
    translatable("N: must be a number of recipients per second, or 'none'"),
    translatable("batch: must be a whole number from 1 to {most}"),
    translatable("concurrency: must be a whole number, 1 or more"),
    translatable("amount: must be a Decimal, 0 or more"),
    translatable("must be an amount and a currency, such as '500 UAH'"),
    # Times.
    translatable("--any-time: cannot be used with another option of when to send"),
    translatable("between: must be two times of day, such as 09:00-20:00"),
    translatable("between: must end later on the same day than it begins"),
    translatable("between: must be hours and minutes, without seconds or a time zone"),
    translatable(
        "between: the hours have no minute in common in {zones}. Give the time zone whose clock"
        " counts, or make one campaign for each country"
    ),
    translatable("not_before: must be a date and a time, such as '2026-12-01 09:00'"),
    translatable("not_before: must be in the years {first} to {last}"),
    translatable("timezone: must be given with the hours, such as Europe/Kyiv"),
    translatable("timezone: is the clock of between and not_before; give one of them"),
    translatable(
        "timezone: must be a name of the IANA database, such as Europe/Kyiv. If the name is right,"
        " this machine has no such database: install the package 'tzdata'"
    ),
    translatable_plural(
        "timezone: the time zone of {number} recipient is not known. Give the time zone whose"
        " clock counts, or install smsgate with the extra 'phone', which knows the zones of all"
        " countries",
        "timezone: the time zones of {number} recipients are not known. Give the time zone whose"
        " clock counts, or install smsgate with the extra 'phone', which knows the zones of all"
        " countries",
    ),
    # Decisions of an operator.
    translatable("give exactly one of --sent, --resend, --give-up, --found ID and --cancel"),
    translatable("--line: must be a line of the list, or a range such as 2-5000"),
    translatable("no recipient of this campaign is {state}: check with 'smsgate campaign status'"),
    translatable(
        "no recipient of {place} is {state}: check with 'smsgate campaign in-doubt' or 'smsgate"
        " campaign export'"
    ),
    translatable(
        "no recipient of {place} is {state}; recipients in doubt are in request {requests}: check"
        " with 'smsgate campaign in-doubt' or 'smsgate campaign export'"
    ),
    translatable("line {line}"),
    translatable("request {request}"),
    translatable("line {line} of request {request}"),
    translatable_plural("{first} and {number} more", "{first} and {number} more"),
    translatable(
        "--line: no recipient with a text is on line {line} of the list; 'smsgate campaign export'"
        " lists all lines"
    ),
    translatable(
        "the campaign has no recipient with a text: all are skipped, or texts were deleted"
    ),
    translatable(
        "message_id: Event.FOUND needs the id that the gateway gave; other events take none"
    ),
    translatable("message_id: line {line} has this id already; an id belongs to one recipient"),
    translatable("message_id: an id belongs to one recipient; give the recipient's line"),
    translatable_plural(
        "purge: {number} recipient is pending or in doubt; send, resolve or cancel them first",
        "purge: {number} recipients are pending or in doubt; send, resolve or cancel them first",
    ),
    translatable("standard input is not a terminal, so nobody can confirm: use --yes"),
    translatable("not confirmed; nothing was done"),
    translatable("--state: must be one of {states}"),
    translatable("lines {first} to {last}"),
    # The campaign and its file.
    translatable("there is no campaign at this path"),
    translatable("the file is not a campaign"),
    translatable("the file is not an outbox"),
    translatable("the file is not a stop list"),
    translatable("the file is not a campaign, or damaged"),
    translatable("the file is not a stop list, or damaged"),
    translatable(
        "the file has version {version}, and this smsgate supports versions up to {newest}:"
        " install a newer smsgate"
    ),
    translatable(
        "the tables have version {version}, and this smsgate supports versions up to {newest}:"
        " install a newer smsgate"
    ),
    translatable(
        "the campaign is in use by another run; wait until that run ends, or stop it with Ctrl-C"
    ),
    translatable(
        "the campaign is incomplete, as its creation was interrupted: delete the file and create"
        " the campaign again"
    ),
    translatable(
        "another program reads the campaign file (a report, an export, an SQLite program)"
    ),
    translatable(
        "another program reads the file, so its log still holds the deleted data: purge the"
        " campaign again when that program has finished"
    ),
    translatable("another program holds the file: try again when that program has finished"),
    translatable("the disk is full: free some space, then run the command again"),
    translatable(
        "the disk cannot be read or written, or it is full: check the disk, then run the command"
        " again"
    ),
    translatable(
        "the file or its folder is read-only: copy the file to a folder that you can write to"
    ),
    translatable(
        "the file, or its log in the same folder, cannot be opened: check the permissions of both"
        " files and of the folder"
    ),
    translatable(
        "the file is damaged: restore it from a backup. A new campaign would not know which"
        " recipients this one has sent to, and would send to them again"
    ),
    translatable("the file is damaged: restore it from a backup"),
    translatable(
        "the campaign is damaged: its requests and its recipients differ. Restore the database"
        " from a backup, and send nothing before"
    ),
    translatable(
        "the lock file {lock} cannot be written ({error}): copy the campaign to a folder that you"
        " can write to"
    ),
    translatable(
        "the file was removed during the run, and its data could not be saved as {saved}: {error}"
    ),
    translatable(
        "{name} was removed or replaced while a run was using it. Nothing more is sent; {then}"
    ),
    translatable(
        "the data of this run is saved in {saved} when the run ends. Rename that file to {file}"
        " before you run the campaign again"
    ),
    translatable("its data is written into {file} when the run ends"),
    translatable("the data of this run is written into {file} when the run ends"),
    translatable(
        "another run may have begun. Check with 'smsgate campaign status {file}' before you run"
        " the campaign again"
    ),
    translatable(
        "SQLite cannot set {name}={value} for this file. Is the file on a network drive? Copy the"
        " campaign to a local disk"
    ),
    translatable(
        "{log} is missing. It records what the last run did: put it back into the folder of the"
        " campaign under this name. Without it, recipients would be sent to again. If another"
        " SQLite program has opened the campaign since, and so merged the log into it, delete the"
        " row {mark} from the table 'setting' with that program"
    ),
    translatable(
        "{log} exists already: it is the log of another campaign of this name, which was moved or"
        " deleted. Move the log to that campaign's folder, or choose another name"
    ),
    translatable(
        "this is a symbolic link, which would allow two runs at the same time: give the path of"
        " the file itself"
    ),
    translatable(
        "the file has a second name (a hard link), which would allow two runs at the same time:"
        " remove the other name"
    ),
    translatable(
        "every user can write to this folder and could replace the file: remove the write"
        " permission for others, or use another folder"
    ),
    translatable_plural(
        "{number} recipient is not in the state that was expected of it",
        "{number} recipients are not in the state that was expected of them",
    ),
    translatable("the data is damaged"),
    translatable("the claimed recipients are not all pending"),
    translatable("the claimed recipients are not the ones that were read"),
    translatable("SQLite cannot set synchronous=FULL for this file"),
    translatable("who: must not be blank; give the name of the operator, for the record"),
    # The database.
    translatable("the database has a campaign of this name already"),
    translatable("the database has no campaign of this name"),
    translatable("name: cannot be used with database; the name is the first argument, `place`"),
    translatable("database: must be a postgresql:// URL"),
    translatable(
        "{name}: must be a path, or a postgresql:// URL (from a URL for SQLAlchemy, remove the"
        " driver)"
    ),
    translatable_plural(
        "place: the name of a campaign must have 1 to {number} printable character",
        "place: the name of a campaign must have 1 to {number} printable characters",
    ),
    translatable("{wish}: only for a campaign in a database"),
    translatable(
        "the connection to the database was lost while the list was being read, so no campaign was"
        " created: run the command again"
    ),
    translatable_plural(
        "request {request}: the outcome of {number} recipient came too late to be recorded, as an"
        " operator has decided on it. Nothing more was sent",
        "request {request}: the outcomes of {number} recipients came too late to be recorded, as"
        " an operator has decided on them. Nothing more was sent",
    ),
    translatable("the disk of the database is full: free some space there"),
    translatable(
        "the role of the database lacks rights: it needs SELECT, INSERT, UPDATE and DELETE on the"
        " tables of the schema smsgate, and CREATE on the database the first time"
    ),
    translatable("the schema smsgate is missing: run 'smsgate database migrate'"),
    translatable("the database has no tables of an outbox: run 'smsgate database migrate'"),
    translatable("the database has no free connection: raise max_connections there"),
    translatable("the server is a standby: give the address of the primary"),
    translatable("the database did not answer within {seconds} s"),
    translatable("the database failed"),
    translatable(
        "the database refuses user or password: correct them in the address, or in ~/.pgpass"
    ),
    translatable("the database asks for a password: put it into ~/.pgpass"),
    translatable("the database refuses connections from this machine (pg_hba.conf)"),
    translatable("the server has no such database or role: correct the address"),
    translatable("the database does not allow synchronous_commit=on for this role"),
    translatable("another session of the database holds a lock on the tables of smsgate"),
    translatable("the database cannot be reached, or the connection was lost"),
    translatable("trying again for up to {seconds} s: {error}"),
    translatable("the database failed over, and the record of a send may be lost"),
    # The stop list.
    translatable("no stop list: use --file, or set {variable}"),
    translatable("stop list"),
    translatable("must have at most {most} printable characters"),
    translatable(
        "stop list: the campaign remembers the address, so it must have no password: put the"
        " password into ~/.pgpass"
    ),
    translatable("stop list: the campaign does not have this one; it has {places}"),
    translatable("none"),
    translatable("stop list: the campaign does not have this one; it has none"),
    translatable_plural(
        "{number} of {total} numbers is on the stop list; nothing was sent",
        "{number} of {total} numbers are on the stop list; nothing was sent",
    ),
    translatable("the stop list {name}: {error}"),
    translatable("the stop list in {name}: {error}"),
    translatable(
        "there is no such file. A new list is created with 'smsgate stoplist add'; if the list has"
        " moved, name its new place, for a campaign with 'campaign run --stop-list NEW"
        " --drop-stop-list OLD'"
    ),
    translatable("the file is a campaign: give the path of another file"),
    translatable("the file has no stop list"),
    # Settings, and how a command ends.
    translatable("no {setting}: use --{option}, or set {variable}"),
    translatable("{variables} must be set, in the environment or in an .env file (--env-file)"),
    translatable("{variables} must be set {place}"),
    translatable("in the environment, an .env file or a secret file"),
    translatable("{variable} and {others}"),
    translatable("{variables} must be given"),
    translatable("{option}: must be a string that is not blank"),
    translatable("contains a line feed; it must be one line"),
    translatable("is enclosed in quotes; write the value without them"),
    translatable("cannot read {path}: it is not UTF-8"),
    translatable("cannot read {path}: {error}"),
    translatable("there is no such folder of secret files"),
    translatable("language: must be one of {codes}"),
    translatable("interrupted by Ctrl-C"),
    translatable("ended by SIGTERM"),
    translatable("the terminal was closed (SIGHUP)"),
    translatable("{signal} while the message was being sent, so its outcome is in doubt"),
    translatable(
        "{signal} during the run, so recipients may be in doubt: 'smsgate campaign in-doubt"
        " {file}' lists them"
    ),
    translatable("standard output: {error}, so the output is incomplete"),
    translatable("Try again later, or use a longer --timeout."),
    translatable(
        "To continue, run the campaign again. smsgate does not send to recipients in doubt again."
    ),
    translatable(
        "The message was sent to the gateway anyway. Do not send it again to see the result."
    ),
    translatable("Free some space, or write to another place."),
    translatable(
        "Fix this first. Then list the recipients in doubt with 'smsgate campaign in-doubt FILE'."
        " smsgate never sends to them again automatically."
    ),
    translatable("This is a bug in smsgate. Please report it; -v shows where it happened."),
    translatable("The address of the gateway needs its path: --url http://...{path}"),
    translatable("test environment: {limits}"),
    translatable(
        "the gateway's address is plain http: login, password and texts are not encrypted"
    ),
    translatable("no database: use --database, or set {variable}"),
    # What the errors of the gateway mean, and what to do.
    translatable("the gateway ends each new session immediately"),
    translatable("Check whether another program logs in to this account at the same time."),
    translatable("the gateway refuses the login or the password"),
    translatable(
        "Use the login and the password of the gateway, not those of the website, and enable SOAP"
        " in the settings of the account."
    ),
    translatable("the account is not active"),
    translatable("Contact the provider."),
    translatable("the gateway says that a parameter is missing"),
    translatable("Please report it: smsgate should have refused this message itself."),
    translatable("the gateway says that the sender is malformed"),
    translatable(
        "Use a sender that is listed on the provider's website. The sender of a campaign cannot be"
        " changed: create a new campaign."
    ),
    translatable("the sender is not approved for this account"),
    translatable(
        "Ask for approval of the sender on the provider's website, or use another sender."
    ),
    translatable("the account does not have enough credits"),
    translatable("Top up the account."),
    translatable("the gateway does not send to this number"),
    translatable("Write the number in international format, such as +380501234567."),
    translatable("the gateway could not send the message"),
    translatable("Try again later."),
    translatable("the gateway does not know this message id"),
    translatable("Check the id. If the id is right, the message may be too old."),
    translatable("the gateway refused the request"),
    translatable("Fix the cause that the gateway gives, then try again."),
    translatable("nothing was sent"),
    translatable("Nothing was sent."),
    translatable("Check the connection and the address of the gateway. Sending again is safe."),
    translatable("Check the connection and the address of the gateway, then try again."),
    translatable("it is not known whether the message was sent"),
    translatable(
        "The message may have been sent. Before you send it again, check on the provider's website"
        " whether it was sent: the gateway continues to process a request after the connection is"
        " lost."
    ),
    translatable("It is safe to repeat this call."),
    translatable("a number is on the stop list"),
    translatable(
        "Leave the number out. If its owner wants messages again, take it off the list: 'smsgate"
        " stoplist remove NUMBER'."
    ),
    translatable("a number is not among the allowed numbers"),
    translatable("Add the number to SMSGATE_ALLOWED_NUMBERS. In production, unset this variable."),
    translatable("the call to the gateway failed"),
    translatable("Check on the provider's website whether the message was sent."),
    translatable(
        "Check the connection. If the gateway is slow, set longer deadlines:"
        " timeouts=Timeouts(...)."
    ),
    translatable(
        "Another server answers at this address, or the gateway is down. Check the address or wait."
    ),
    translatable(
        "Check the network to the gateway. Repeat the call only if the call sends nothing."
    ),
    translatable(
        "Open the session with 'async with', and use it inside the block, on the same event loop."
    ),
    translatable(
        "Check on the provider's website whether the message was sent. If this happens again, ask"
        " the provider."
    ),
    translatable("Check the connection of this machine and the address of the gateway."),
    translatable(
        "Check the user and the password in the proxy's address, and whether the proxy allows this"
        " machine to reach the gateway."
    ),
    translatable("Correct the address of the gateway or of the proxy: it is not usable."),
    translatable(
        "Update smsgate. If the newest version does not know the answer either, please report it."
    ),
    translatable(
        "Set the connection limit of http_client to at least `concurrency`. If the limit is"
        " already that high, the client has lost connections: create a new client and a new"
        " session."
    ),
    translatable(
        "If the message is still useful, send it again; in an outbox, with a new key. If this"
        " happens often, use a longer not_after."
    ),
    translatable(
        "An event hook of the client failed, or a tool that replaces the client's transport"
        " failed. Remove the hook or the tool."
    ),
    translatable("{advice} Nothing was sent."),
    # Messages of the errors of the gateway.
    translatable("the gateway refused ({answer}): {text}"),
    translatable("the gateway also said ({answer}): {text}"),
    translatable("not authorised"),
    translatable("bad credentials"),
    translatable("account not activated"),
    translatable("account blocked"),
    translatable("account disabled"),
    translatable("missing parameters"),
    translatable("bad sender"),
    translatable("sender forbidden"),
    translatable("not enough credits"),
    translatable("bad destination"),
    translatable("country not served"),
    translatable("cannot send"),
    translatable("not saved"),
    translatable("sent in part"),
    translatable("outcome unknown"),
    translatable("message not found"),
    translatable("no connection"),
    translatable("no free connection"),
    translatable("proxy refused"),
    translatable("session not open"),
    translatable("request could not be made"),
    translatable("too late"),
    translatable("session closed"),
    translatable("timed out"),
    translatable("connection lost"),
    translatable("HTTP client failed"),
    translatable("HTTP status"),
    translatable("reply too large"),
    translatable("reply encoded"),
    translatable("reply unreadable"),
    translatable("SOAP fault"),
    translatable("answer not recognised"),
    translatable("wrong number of results"),
    translatable("answer contradicts itself"),
    translatable("gateway does not know the outcome"),
    translatable("gateway could not save the message"),
    translatable("{reason} after {seconds} s"),
    translatable("{reason} after {seconds} s, {doubt}"),
    translatable("{reason} when the request had begun to leave"),
    translatable("{reason} and it is not known whether the request left"),
    translatable("when the request had begun to leave"),
    translatable("and it is not known whether the request left"),
    translatable("{reason} after {seconds} s, without an answer to Auth"),
    translatable("{reason} after {seconds} s, before Auth was sent"),
    translatable("nothing was sent: {why}"),
    translatable("it is too late"),
    translatable("it is too late for the first byte to leave"),
    translatable("the session is closed"),
    translatable("the HTTP client has been closed"),
    translatable("the session is not open: use it as 'async with'"),
    translatable("the login failed: {error}"),
    translatable("the gateway accepted the login and set no cookie"),
    translatable("the name of the host could not be resolved"),
    translatable("no connection could be made"),
    translatable("no connection after {seconds} s"),
    translatable("no TLS connection could be made"),
    translatable("the certificate is not trusted"),
    translatable("the proxy refused to connect: {status}"),
    translatable("the gateway answered with a fault"),
    translatable("the answer is not {what}"),
    translatable("one of a login"),
    translatable("a number of credits"),
    translatable("a list of message ids"),
    translatable("the answer is not a list of message ids"),
    translatable("the status is empty"),
    translatable("success without a message id"),
    translatable_plural(
        "{number} for {expected} destination",
        "{number} for {expected} destinations",
    ),
    translatable("not well-formed XML: {reason}"),
    translatable("not readable XML ({error})"),
    translatable("{reason}: more than {limit} bytes"),
    translatable("{call}: trying again ({turn} of {turns}), since {reason}: {error}"),
    translatable("{call}: answer not recognised: {text}"),
    translatable("SendSMS{call}, and the request may have left: in doubt"),
    translatable("other event loop"),
    translatable("cancelled by an operator"),
    translatable("process ended"),
    translatable("database failed over"),
    translatable("not sent"),
    translatable("407 Proxy Authentication Required (the proxy asks for a user and a password)"),
    translatable("the proxy asks for a user and a password"),
    translatable("the answer does not say which destinations were sent"),
    translatable("{found} elements {name} where one is expected"),
    translatable("the answer is empty"),
    translatable("a message id where a sentence is expected"),
    translatable("one message id for two destinations"),
    translatable("a document type declaration is not allowed"),
    translatable("several elements where one is expected"),
    translatable("elements where text is expected"),
    translatable("a delivery status"),
    translatable("the session was opened on another event loop"),
    translatable("the request could not be made ({error})"),
    translatable("no connection of the HTTP client became free within {seconds} s: {why}"),
    translatable("{reason}, though the request did not allow it"),
    translatable("{reason} after {seconds} s, waiting for the login of another call"),
    translatable("the login of another call"),
    translatable("{reason}, including {seconds} s waiting for the login of another call"),
    translatable(
        "closing the session: calls that are still in flight after {seconds} s and are ended now:"
        " {calls}"
    ),
    translatable("nothing has left"),
    translatable("it sends nothing"),
    translatable("the gateway knows none of these message ids ({count})"),
    # The doctor.
    translatable("not installed"),
    translatable("{address} is plain http: login, password and texts travel unencrypted"),
    translatable("{address} is plain http, but on this machine"),
    translatable_plural(
        "resolved in {duration}, with {number} address",
        "resolved in {duration}, with {number} addresses",
    ),
    translatable("reached in {duration}"),
    translatable("the proxy is reached in {duration}"),
    translatable("{finding}, which is slow"),
    translatable(
        "Allow more than {seconds} s for connecting: timeouts=smsgate.Timeouts(connect=...)."
    ),
    translatable("{version}, and the certificate is not verified"),
    translatable("Verify it: without verification, anyone in between can pose as the gateway."),
    translatable_plural(
        "{version}, and the certificate is valid for {number} more day",
        "{version}, and the certificate is valid for {number} more days",
    ),
    translatable(
        "No setting needs to change: the gateway's certificate must be renewed. Once it has"
        " expired, every call ends as not sent."
    ),
    translatable("the certificate"),
    translatable("not offered at {address} ({why})"),
    translatable("offered at {address}"),
    translatable("The gateway answers at this address, and the connection is encrypted."),
    translatable("answers as expected, in {duration}"),
    translatable("Allow more than {seconds} s for a call: timeouts=smsgate.Timeouts(read=...)."),
    translatable("none is set: each message needs its own sender"),
    translatable("a sender is set; only a send shows whether the account may use this sender"),
    translatable("the account has credits"),
    translatable("the account has credits ({balance})"),
    translatable("none ({balance})"),
    translatable("Top up the account. Every send will be refused."),
    translatable("the answer for an unknown message id is recognised"),
    translatable("the answer for an unknown message id is not recognised"),
    translatable("a message id that cannot exist has the status «{status}»"),
    translatable("*** is accepted with its password"),
    translatable("smsgate new will not work: {error}"),
    translatable("the answer is recognised"),
    translatable("not checked: {why}"),
    translatable("it needs the check «{check}»"),
    translatable_plural(
        "it needs {number} session that works at the same time, and fast answers",
        "it needs {number} sessions that work at the same time, and fast answers",
    ),
    translatable("no answer had a Date header"),
    translatable("the Date header of the answer cannot be read"),
    translatable("unknown: {why}; {seen}"),
    translatable("locked: {why}; {seen}"),
    translatable("not locked: {why}; {seen}"),
    translatable(
        "{number} calls at the same time took {same} with one cookie, {apart} with {cookies}"
    ),
    translatable("the gateway answers too fast to measure the lock"),
    translatable("calls with separate cookies waited, too: one alone takes {duration}"),
    translatable("a cookie is served one call at a time"),
    translatable("no call waited, but the calls are too short to show a lock at this latency"),
    translatable("a cookie is served several calls at the same time"),
    translatable("the calls waited too little for a lock, too much for none"),
    translatable("{rates}; with {number}: {error}"),
    translatable("{rates}; the answers are too fast to compare"),
    translatable("{rates}; {useful} would be enough, {configured} are fine"),
    translatable("{rate} calls per second with {number}"),
    translatable("{rate} calls per second with {number}, {others}"),
    translatable("{rate} with {number}"),
    translatable("{rate} with {number}, {others}"),
    translatable_plural(
        "The gateway did not serve {number} session at the same time.",
        "The gateway did not serve {number} sessions at the same time.",
    ),
    translatable(
        "{useful} requests at the same time are faster than {configured}; this matters if you send"
        " many messages."
    ),
    translatable("this machine and the gateway agree on the time"),
    translatable("this machine is {seconds} s ahead of the gateway"),
    translatable("this machine is {seconds} s behind the gateway"),
    translatable(
        "Synchronise it with a time server: certificates and delivery times depend on it."
    ),
    translatable("the clock of this machine"),
    translatable("none is used"),
    translatable("{proxy} is used"),
    translatable(
        "{used}; smsgate ignores {names} on purpose and reads its proxy from SMSGATE_PROXY only"
    ),
    translatable(
        "Check the address of the proxy, and whether the proxy lets this machine through."
    ),
    translatable(
        "The server there redirects. smsgate follows no redirects: set the address it redirects to."
    ),
    translatable(
        "If your own certificate authority signed the certificate, pass that authority as verify="
        " (here --ca-file). Do not switch the verification off."
    ),
    translatable("about «{check}»"),
    translatable("the account"),
    translatable("the connection"),
    translatable("the program"),
    translatable("the gateway"),
    translatable("the database"),
    translatable("ca-file: the file has no certificate in PEM format"),
    translatable("ca-file: the file cannot be read ({error})"),
    # States of recipients, and delivery statuses.
    translatable("on the stop list"),
    translatable("no number"),
    translatable("skipped"),
    translatable("pending"),
    translatable("in flight"),
    translatable("accepted"),
    translatable("refused"),
    translatable("in doubt"),
    translatable("assumed sent"),
    translatable("abandoned"),
    translatable("no reason given"),
    translatable("unknown"),
    translatable("not found"),
    translatable("delivered"),
    translatable("the number is not allowed; nothing was sent"),
    # Countries.
    translatable("Greece"),
    translatable("Netherlands"),
    translatable("Belgium"),
    translatable("France"),
    translatable("Spain"),
    translatable("Portugal"),
    translatable("Ireland"),
    translatable("Cyprus"),
    translatable("Bulgaria"),
    translatable("Hungary"),
    translatable("Lithuania"),
    translatable("Latvia"),
    translatable("Estonia"),
    translatable("Moldova"),
    translatable("Armenia"),
    translatable("Belarus"),
    translatable("Ukraine"),
    translatable("Croatia"),
    translatable("Slovenia"),
    translatable("Romania"),
    translatable("Switzerland"),
    translatable("Czechia"),
    translatable("Slovakia"),
    translatable("Austria"),
    translatable("Denmark"),
    translatable("Sweden"),
    translatable("Poland"),
    translatable("Germany"),
    translatable("Turkey"),
    translatable("Israel"),
    translatable("Azerbaijan"),
    translatable("Georgia"),
    translatable("Canada"),
    translatable("Finland"),
    translatable("United Kingdom"),
    translatable("Italy"),
    translatable("Kazakhstan"),
    translatable("Norway"),
    translatable("United States"),
)
"""The sentences of this package."""

CHECKS: tuple[str, ...] = (
    translatable("address"),
    translatable("name"),
    translatable("connection"),
    translatable("gateway"),
    translatable("login"),
    translatable("sender"),
    translatable("credits"),
    translatable("new messages"),
    translatable("status"),
    translatable("concurrency"),
    translatable("cookie lock"),
    translatable("clock"),
    translatable("proxy"),
    translatable("platform"),
)
"""The names of the checks of the doctor. Other sentences may have these words, so they are found
only where a check or a setting is shown.
"""

FOREIGN: tuple[Known, ...] = (
    # The operating system, SQLite, and the parser of the command line.
    translatable("No such file or directory"),
    translatable("Permission denied"),
    translatable("Is a directory"),
    translatable("Not a directory"),
    translatable("File exists"),
    translatable("No space left on device"),
    translatable("Read-only file system"),
    translatable("File name too long"),
    translatable("Connection refused"),
    translatable("Broken pipe"),
    translatable("database is locked"),
    translatable("database table is locked"),
    translatable("database disk image is malformed"),
    translatable("database or disk is full"),
    translatable("unable to open database file"),
    translatable("attempt to write a readonly database"),
    translatable("disk I/O error"),
    translatable("out of memory"),
    translatable("file is encrypted or is not a database"),
    translatable("Missing argument '{name}'."),
    translatable("Missing option '{name}'."),
    translatable("No such option: {name}"),
    translatable("No such option: {name} Did you mean {other}?"),
    translatable("No such option: {name} (Possible options: {others})"),
    translatable("No such command '{name}'."),
    translatable("Got unexpected extra argument ({name})"),
    translatable("Got unexpected extra arguments ({names})"),
    translatable("Option '{name}' requires an argument."),
    translatable("Option {name} requires an argument."),
    translatable("Invalid value for '{name}': {why}"),
    translatable("{value} is not a valid integer."),
    translatable("{value} is not a valid float."),
    translatable("{value} is not a valid integer range."),
    translatable("{value} is not a valid float range."),
    translatable("{value} is not in the range {range}."),
    translatable("{value} is not one of {values}."),
    translatable("en dash"),
    translatable("em dash"),
    translatable("left-pointing double angle quotation mark"),
    translatable("right-pointing double angle quotation mark"),
    translatable("left double quotation mark"),
    translatable("right double quotation mark"),
    translatable("double low-9 quotation mark"),
    translatable("left single quotation mark"),
    translatable("right single quotation mark"),
    translatable("modifier letter apostrophe"),
    translatable("horizontal ellipsis"),
    translatable("no-break space"),
    translatable("numero sign"),
    translatable("hryvnia sign"),
    translatable("bullet"),
    translatable("middle dot"),
    translatable("degree sign"),
    translatable("right arrow"),
    translatable("rightwards arrow"),
    translatable("grave accent"),
    translatable("multiplication sign"),
    translatable("zero width space"),
    translatable("narrow no-break space"),
    translatable("white heavy check mark"),
    translatable("file is not a database"),
    translatable("Input should be a valid number, unable to parse string as a number"),
    translatable("Input should be a valid integer, unable to parse string as an integer"),
    translatable("Input should be greater than or equal to {least}"),
    translatable("Input should be less than or equal to {most}"),
    translatable("Input should be {choices}"),
)
"""The sentences of others that are not about one message."""

_FIELD = re.compile(r"{(\w+)}")
_KINDS = {
    "number": r"\d[\d,]*",
    "rate": r"[\d.,]+",
    "variable": "[A-Z][A-Z_]+",
    "line": r"\d[\d,-]*",
    "request": r"[\w-]+",
}
"""What stands for a value, by its name. By default it is anything."""
_AS_IT_IS = frozenset({
    "address", "all", "code", "codes", "column", "columns", "command", "currency",
    "encoding", "field", "file", "first", "line", "list", "lock", "log", "mark", "name", "names",
    "option", "other", "path", "places", "position", "proxy", "range", "request",
    "rows", "saved", "sheet", "states", "trunk", "value", "values", "variable", "who", "zones",
})  # fmt: skip
"""The fields whose values are names, paths, codes and words of the user."""
_GROUPS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?( [A-Z]{3})?|\d+\.\d+( [A-Z]{3})?")
"""A number, perhaps with a currency, whose separators are others in Ukrainian."""
_DATE = re.compile(r"(\d{1,2}) ([A-Z][a-z]+)( \d{4}(?:, .*)?)")
_DURATION = re.compile(r"(\d[\d,.]*) (d|h|min|s|ms)(?: (\d+) (h|min|s))?")
_SPLIT = re.compile(r"(.+?)(; |\. |: )(.+)", re.DOTALL)
"""Where sentences are joined."""
_JOINT = re.compile(r"[;.:,(] ?| or ")
_LONGEST, _MOST_JOINTS = 2_000, 60
"""A longer sentence, or one of more pieces, is not ours: it may be the note of an operator."""
_LIST = re.compile(r"(.+?)(, | or )(.+)", re.DOTALL)
_OR = translatable(" or ")
_UNITS = {
    "d": translatable("{number} d"),
    "h": translatable("{number} h"),
    "min": translatable("{number} min"),
    "s": translatable("{number} s"),
    "ms": translatable("{number} ms"),
}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """How a sentence with values is recognised."""

    known: Known
    shape: re.Pattern[str]

    def said(self, found: re.Match[str], language: Language) -> str:
        values = found.groupdict()
        if isinstance(self.known, str):
            return language.say(self.known, **_values(values, language))
        number = int(values.pop("number").replace(",", ""))
        return language.plural(*self.known, number, **_values(values, language))


def _values(values: dict[str, str], language: Language) -> dict[str, str]:
    return {
        name: value if name in _AS_IT_IS else _VALUES.get(name, _retold)(value, language)
        for name, value in values.items()
    }


def _shape(sentence: str) -> re.Pattern[str]:
    pieces = _FIELD.split(sentence)
    return re.compile(
        "".join(
            f"(?P<{piece}>{_KINDS.get(piece, '.+?')})" if place % 2 else re.escape(piece)
            for place, piece in enumerate(pieces)
        ),
        re.DOTALL,
    )


@cache
def _patterns() -> tuple[frozenset[str], tuple[_Pattern, ...]]:
    """Return the sentences without values, and how the others are recognised, longest first."""
    forms = [
        (form, known)
        for known in (*OURS, *FOREIGN)
        for form in ((known,) if isinstance(known, str) else known)
    ]
    plain = frozenset(form for form, _ in forms if not _FIELD.search(form))
    filled = sorted(
        (pair for pair in forms if pair[0] not in plain),
        key=lambda pair: -len(_FIELD.sub("", pair[0])),
    )
    return plain, tuple(_Pattern(known, _shape(form)) for form, known in filled)


def retold(sentence: str, language: Language | None = None) -> str:
    """Return a sentence of the table in a language. Any other one is returned as it is.

    Args:
        sentence: the sentence in English, perhaps several that are joined by punctuation.
        language: the language; None for the one that is spoken.
    """
    language = language or spoken()
    foreign = len(sentence) > _LONGEST or len(_JOINT.findall(sentence)) > _MOST_JOINTS
    return sentence if language.code == "en" or foreign else _retold(sentence, language)


def retold_check(name: str, language: Language | None = None) -> str:
    """Return the name of a check or a setting of the doctor in a language, or as it is.

    Args:
        name: the name in English.
        language: the language; None for the one that is spoken.
    """
    return _check(name, language or spoken())


def _check(name: str, language: Language) -> str:
    return language.say(name) if name in CHECKS else retold(name, language)


@lru_cache(4_096)  # the rows of a list have few reasons
def _retold(sentence: str, language: Language) -> str:
    said = (attempt(sentence, language) for attempt in _ATTEMPTS)
    return next((found for found in said if found is not None), sentence)


def _known(sentence: str, language: Language) -> str | None:
    plain, patterns = _patterns()
    whole = sentence.removesuffix(".")
    if sentence in plain or whole in plain:
        return language.say(sentence if sentence in plain else whole) + (
            "" if sentence in plain else "."
        )
    for pattern in patterns:
        if found := pattern.shape.fullmatch(sentence):
            return pattern.said(found, language)
    return None


def _figure(sentence: str, language: Language) -> str | None:
    return language.figure(sentence) if _GROUPS.fullmatch(sentence) else None


def _duration(sentence: str, language: Language) -> str | None:
    if not (found := _DURATION.fullmatch(sentence)):
        return None
    parts = [(found[1], found[2]), (found[3], found[4])]
    return " ".join(
        language.say(_UNITS[unit], number=language.figure(number)) for number, unit in parts if unit
    )


def _date(sentence: str, language: Language) -> str | None:
    if not (found := _DATE.fullmatch(sentence)) or found[2] not in MONTHS:
        return None
    return f"{found[1]} {language.say(found[2])}{found[3]}"


def _with_cause(sentence: str, language: Language) -> str | None:
    """Return a sentence and its cause in parentheses, which may have parentheses in turn."""
    if not sentence.endswith(")"):
        return None
    depth, place = 1, len(sentence) - 1
    while depth and place:
        place -= 1
        depth += {")": 1, "(": -1}.get(sentence[place], 0)
    first, cause = sentence[:place].removesuffix(" "), sentence[place + 1 : -1]
    if depth or not cause or first in ("", sentence[:place]):
        return None
    words = _retold(first, language), _retold(cause, language)
    return None if words == (first, cause) else f"{words[0]} ({words[1]})"


def _joined(sentence: str, language: Language) -> str | None:
    """Return sentences that are joined, if one of them is known."""
    if not (found := _SPLIT.fullmatch(sentence)):
        return None
    first, mark, second = found.groups()
    words = _retold(first, language), _retold(second, language)
    return None if words == (first, second) else f"{words[0]}{mark}{words[1]}"


def _listed(sentence: str, language: Language) -> str | None:
    """Return a list of known words. Others may be anybody's, so they stay as they are."""
    if not (found := _LIST.fullmatch(sentence)):
        return None
    first, mark, rest = found.groups()
    words = _retold(first, language), _retold(rest, language)
    if words == (first, rest):
        return None
    return f"{words[0]}{language.say(mark)}{words[1]}"


_ATTEMPTS = (_known, _figure, _duration, _date, _with_cause, _joined, _listed)
_VALUES = {"check": _check, "setting": _check}
"""How the values of some fields are retold."""
