"""Replies of a gateway that is hostile or broken.

As a script, this module reads each document in a separate process and prints the cost: one JSON
line per document, with its name, its size in bytes, the outcome, seconds and growth in MB.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

TURBO = "http://turbosms.in.ua/api/Turbo"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
    f' xmlns:ns1="{TURBO}"><SOAP-ENV:Body><ns1:SendSMSResponse><ns1:SendSMSResult>'
)
TAIL = "</ns1:SendSMSResult></ns1:SendSMSResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
SLOTS = (
    "<ns1:ResultArray>Сообщения успешно отправлены</ns1:ResultArray>"
    "<ns1:ResultArray>{}</ns1:ResultArray>"
)
ID = "0c306f85-57f5-f84a-1033-6075af2bcc6e"
GOOD = (HEAD + SLOTS.format(ID) + TAIL).encode()
BODY = GOOD.split(b"\n", 1)[1]
MEGABYTE = 1_000_000


def utf_8(*parts: str) -> bytes:
    """Return the parts, one after the other, as bytes."""
    return "".join(parts).encode()


def with_doctype(doctype: str, slot: str = ID, prolog: str = '<?xml version="1.0"?>') -> bytes:
    """Return a proper acceptance that has a document type declaration in front."""
    return (prolog + doctype + (HEAD + SLOTS.format(slot) + TAIL).split("\n", 1)[1]).encode()


def billion_laughs() -> bytes:
    names = "abcdefghij"
    entities = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in pairwise(names)
    )
    return with_doctype(f"<!DOCTYPE l [{entities}]>", "&j;")


def quadratic() -> bytes:
    return with_doctype(f'<!DOCTYPE l [<!ENTITY a "{"x" * 200_000}">]>', "&a;" * 50_000)


def utf_16_bomb() -> bytes:
    return (
        billion_laughs()
        .decode()
        .replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>')
        .encode("utf-16")
    )


def attributes() -> bytes:
    inside = " ".join(f'a{number}=""' for number in range(100_000))
    return (
        HEAD + SLOTS.format(ID).replace("<ns1:ResultArray>", f"<ns1:ResultArray {inside}>", 1)[:-5]
    ).encode()


# All of these are refused. Each is made when it is asked for, as some are large.
REFUSED: dict[str, Callable[[], bytes]] = {
    "billion laughs": billion_laughs,
    "billion laughs in UTF-16": utf_16_bomb,
    "quadratic entities": quadratic,
    "one entity of 10 MB": lambda: with_doctype(
        f'<!DOCTYPE l [<!ENTITY a "{"x" * 10 * MEGABYTE}">]>', "&a;"
    ),
    "external entity": lambda: with_doctype(
        '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "&a;"
    ),
    "external entity over http": lambda: with_doctype(
        '<!DOCTYPE l [<!ENTITY a SYSTEM "http://127.0.0.1:9/">]>', "&a;"
    ),
    "parameter entity": lambda: with_doctype(
        '<!DOCTYPE l [<!ENTITY % a SYSTEM "file:///etc/passwd">%a;]>'
    ),
    "external DTD": lambda: with_doctype('<!DOCTYPE l SYSTEM "http://127.0.0.1:9/l.dtd">', "&a;"),
    "public DTD": lambda: with_doctype(
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://127.0.0.1:9/l.dtd">'
    ),
    "DOCTYPE alone": lambda: with_doctype("<!DOCTYPE l>"),
    "DOCTYPE with an attribute": lambda: with_doctype(
        '<!DOCTYPE l [<!ATTLIST ns1:ResultArray xsi:nil CDATA "true">]>'
    ),
    "a reference to nothing": lambda: GOOD.replace(ID.encode(), b"&a;"),
    "a million nested elements": lambda: b"<a>" * MEGABYTE + b"</a>" * MEGABYTE,
    "a million open elements": lambda: b"<a>" * MEGABYTE,
    "33 nested elements": lambda: b"<a>" * 33 + b"</a>" * 33,
    "10 MB of siblings": lambda: utf_8(HEAD, "<a></a>" * 1_430_000, TAIL),
    "10 MB of slots": lambda: utf_8(HEAD, "<ns1:ResultArray/>" * 560_000, TAIL),
    "10 MB of text and no end": lambda: HEAD.encode() + b"<ns1:ResultArray>" + b"x" * 10 * MEGABYTE,
    "10 MB of an open tag": lambda: HEAD.encode() + b'<a b="' + b"x" * 10 * MEGABYTE,
    "10 MB of an open comment": lambda: HEAD.encode() + b"<!--" + b"x" * 10 * MEGABYTE,
    "100,000 attributes and no end": attributes,
    "10 MB of zeros": lambda: b"\0" * 10 * MEGABYTE,
    "nothing": lambda: b"",
    "white space": lambda: b" \r\n\t",
    "a NUL": lambda: b"\0",
    "a NUL in a slot": lambda: GOOD.replace(ID.encode(), b"\0"),
    "a NUL as a reference": lambda: GOOD.replace(ID.encode(), b"&#0;"),
    "a NUL after the end": lambda: GOOD + b"\0",
    "a second document": lambda: GOOD + BODY,
    "a control character": lambda: GOOD.replace(ID.encode(), b"\x1b[31m"),
    "a PHP warning in front": lambda: (
        (
            b"<br />\n<b>Warning</b>: mysql_connect() in <b>/var/www/api.php</b> on line <b>7</b>"
            b"<br />\n"
        )
        + GOOD
    ),
    "a PHP notice behind": lambda: GOOD + b"<br />Notice: x in /var/www/api.php",
    "HTML": lambda: (
        b"<html><head><title>502 Bad Gateway</title></head><body><hr>nginx</body></html>"
    ),
    "HTML that is well-formed": lambda: b"<html><body>502 Bad Gateway</body></html>",
    "JSON": lambda: b'{"SendSMSResult": ["ok"]}',
    "plain text": lambda: utf_8("Сообщения успешно отправлены"),
    "gzip": lambda: b"\x1f\x8b\x08\x00" + bytes(range(256)),
    "windows-1251 that calls itself UTF-8": lambda: GOOD.decode().encode("windows-1251"),
    "UTF-16 that calls itself UTF-8, without a mark": lambda: GOOD.decode().encode("utf-16-le"),
    "UTF-16, cut in a character": lambda: (
        GOOD.decode().replace("UTF-8", "UTF-16").encode("utf-16")[:-1]
    ),
    "UTF-8 that calls itself UTF-16": lambda: GOOD.replace(b"UTF-8", b"UTF-16"),
    "an unknown encoding": lambda: GOOD.replace(b"UTF-8", b"X-KLINGON"),
    "an encoding of many bytes": lambda: GOOD.replace(b"UTF-8", b"shift_jis"),
    "an encoding that is no text": lambda: GOOD.replace(b"UTF-8", b"base64"),
    "UTF-7": lambda: GOOD.replace(b"UTF-8", b"utf-7"),
    "a lone surrogate in bytes": lambda: GOOD.replace(ID.encode(), b"\xed\xa0\x80"),
    "a lone surrogate as a reference": lambda: GOOD.replace(ID.encode(), b"&#xD800;"),
    "an overlong character": lambda: GOOD.replace(ID.encode(), b"\xc0\xbc"),
    "a byte that is no UTF-8": lambda: GOOD.replace(ID.encode(), b"\xff"),
    "a noncharacter": lambda: GOOD.replace(ID.encode(), b"\xef\xbf\xbf"),
    "an unbound prefix": lambda: GOOD.replace(b"xmlns:ns1", b"xmlns:ns2"),
    "a prefix that means two things": lambda: GOOD.replace(
        b"xmlns:ns1=", b'xmlns:ns1="urn:a" xmlns:ns1=', 1
    ),
    "elements in a slot": lambda: GOOD.replace(ID.encode(), b"<a/>"),
    "two answers": lambda: GOOD.replace(
        b"</SOAP-ENV:Body>", BODY.split(b"<SOAP-ENV:Body>")[1].split(b"</SOAP-ENV:Envelope>")[0]
    ),
}

# These are within the rules and are read. What they cost is bounded all the same.
READ: dict[str, Callable[[], bytes]] = {
    "an acceptance": lambda: GOOD,
    "a line feed in front": lambda: b"\n" + GOOD,
    "4 MB of text in a slot": lambda: GOOD.replace(ID.encode(), b"x" * 4 * MEGABYTE),
    "4 MB of references in a slot": lambda: GOOD.replace(ID.encode(), b"&amp;" * 800_000),
    "4 MB of comment": lambda: GOOD + b"<!--" + b"x" * 4 * MEGABYTE + b"-->",
    "4 MB of an attribute": lambda: GOOD.replace(
        b"<ns1:ResultArray>", b'<ns1:ResultArray a="' + b"x" * 4 * MEGABYTE + b'">', 1
    ),
    "60,000 slots": lambda: utf_8(HEAD, "<ns1:ResultArray/>" * 60_000, TAIL),
}


def measured(path: Path) -> dict[str, object]:
    """Read the document as a reply, and return what came of it and what that cost."""
    import resource  # noqa: PLC0415 - Windows has none, and a test that imports the documents alone measures nothing

    from smsgate.errors import InDoubt  # noqa: PLC0415
    from smsgate.protocol.operations import SEND_SMS  # noqa: PLC0415
    from smsgate.protocol.reply import read_reply  # noqa: PLC0415

    unit = 1_000_000 if sys.platform == "darwin" else 1_000
    document = path.read_bytes()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        read_reply(SEND_SMS, document)
        outcome = "read"
    except InDoubt:
        outcome = "InDoubt"
    except BaseException as error:  # the point is to tell which
        outcome = type(error).__name__
    seconds = time.process_time() - start
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit
    return {"size": len(document), "outcome": outcome, "seconds": seconds, "megabytes": growth}


def in_a_child(act: Callable[[], object]) -> int:
    """Run `act` in a forked process, and return its status.

    This process then allocates nothing that a later measurement could reuse.
    """
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def tell(row: dict[str, object]) -> None:
    """Print one line immediately."""
    sys.stdout.write(f"{json.dumps(row)}\n")
    sys.stdout.flush()


def main() -> None:
    """Print for each document what reading it cost: one child makes it, the next reads it."""
    import smsgate.protocol.reply  # noqa: F401, PLC0415 - so that no child pays for the import

    with TemporaryDirectory() as folder:
        path = Path(folder) / "document"
        for name, make in (REFUSED | READ).items():
            in_a_child(lambda make=make: path.write_bytes(make()))
            status = in_a_child(lambda name=name: tell({"name": name, **measured(path)}))
            if status:
                tell(
                    {
                        "name": name,
                        "size": 0,
                        "outcome": f"died: {status}",
                        "seconds": 0,
                        "megabytes": 0,
                    }
                )


if __name__ == "__main__":
    main()
