"""XML from the network as a plain tree (docs:

how it is tested, "Incoming XML"). Hostile documents have their own file.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import frames_of, raised_by

from smsgate.protocol.limits import MAX_ELEMENTS
from smsgate.protocol.xml import (
    MAX_DEPTH,
    Elsewhere,
    Unreadable,
    find,
    parse,
    plain_texts,
    text_of,
)

TURBO = 'xmlns="http://turbosms.in.ua/api/Turbo"'


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


def siblings(count: int) -> bytes:
    return b"<a>" + b"<b/>" * (count - 1) + b"</a>"


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ('<x:Envelope xmlns:x="http://schemas.xmlsoap.org/soap/envelope/"/>', "soap:Envelope"),
        ('<x:Envelope xmlns:x="http://www.w3.org/2003/05/soap-envelope"/>', "soap12:Envelope"),
        (f"<AuthResult {TURBO}/>", "turbo:AuthResult"),
        ('<n:AuthResult xmlns:n="http://turbosms.in.ua/api/Turbo"/>', "turbo:AuthResult"),
        ('<turbo:AuthResult xmlns:turbo="urn:else"/>', "urn:else:AuthResult"),
        (
            '<turbo:AuthResult xmlns:turbo="http://turbosms.in.ua/api/Turbo/"/>',
            "http://turbosms.in.ua/api/Turbo/:AuthResult",
        ),
        ("<AuthResult/>", "AuthResult"),
    ],
)
def test_element_is_named_by_its_namespace_never_by_its_prefix(document: str, key: str):
    assert list(parse(document.encode())) == [key]


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("abc", "abc"),
        ("", None),
        (" a\nb ", " a\nb "),
        ("  ", "  "),
        ("&lt;b&gt;&amp;&#1103;", "<b>&я"),
        ("<![CDATA[<b>]]>&amp;<![CDATA[c]]>", "<b>&c"),
        ("a<!-- comment -->b<?pi?>", "ab"),
    ],
)
def test_text_is_unchanged_including_white_space(inside: str, text: str | None):
    assert text_of(parse(f"<a>{inside}</a>".encode())["a"]) == text


XSI = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (f'<a {XSI} i:nil="true"/>', None),
        (f'<a {XSI} i:nil="1"/>', None),
        (f'<a {XSI} i:nil="true"> </a>', None),
        (f'<a {XSI} i:nil="1" i:type="string"/>', None),
        (f'<a {XSI} i:nil="false"/>', None),
        ('<a xmlns="urn:a" xmlns:b="urn:b"/>', None),
        (f'<a {XSI} i:nil="false">abc</a>', "abc"),
        (f'<a {XSI} i:type="string">abc</a>', "abc"),
        (f'<a {XSI} i:type="string"/>', None),
        ('<a xmlns:i="urn:else" i:nil="true">abc</a>', "abc"),
        ('<a nil="true">abc</a>', "abc"),
    ],
)
def test_nil_is_no_text_if_it_is_the_nil_of_xml_schema(document: str, text: str | None):
    (node,) = parse(document.encode()).values()
    assert text_of(node) == text


@pytest.mark.parametrize(
    "document",
    [
        '<a href="#id1"/>',
        '<a href="#id1"> </a>',
        '<a id="id1"/>',
        '<a nil="true"/>',
        '<a xmlns:i="urn:else" i:nil="true"/>',
        f'<a {XSI} i:nil="true" href="#id1"/>',
        f'<a {XSI} i:nil="true">abc</a>',
        f'<a {XSI} i:nil="1">abc</a>',
    ],
)
def test_element_with_undecided_text_is_not_empty(document: str):
    with pytest.raises(
        Elsewhere, match=r"^an element whose attributes leave open what its text is$"
    ):
        text_of(parse(document.encode())["a"])


def test_attribute_beside_a_text_changes_nothing():
    assert text_of(parse(b'<a href="#id1">abc</a>')["a"]) == "abc"


def test_elements_in_place_of_a_text_are_refused():
    with pytest.raises(Unreadable, match=r"^elements where text is expected$"):
        text_of(parse(b"<a>abc<b/></a>")["a"])


def test_several_elements_in_place_of_one_are_refused():
    with pytest.raises(Unreadable, match=r"^several elements where one is expected$"):
        text_of(parse(b"<r><a>1</a><a>2</a></r>")["r"]["a"])  # type: ignore[index,call-overload]


def test_single_slot_is_a_list_as_many_are():
    assert parse(f"<r {TURBO}><ResultArray>1</ResultArray></r>".encode())["turbo:r"][
        "turbo:ResultArray"
    ] == ["1"]  # type: ignore[index,call-overload]


def test_elements_are_found_anywhere_in_document_order():
    tree = parse(b"<r><x>1</x><a><x>2</x><b><x>3</x><x/></b></a><a><c><x>4</x></c></a></r>")
    assert list(find(tree, "x")) == ["1", "2", "3", None, "4"]


def test_inside_of_a_found_element_is_not_searched():
    assert list(find(parse(b"<r><x><y/><x>1</x></x></r>"), "x")) == [{"y": None, "x": "1"}]


@pytest.mark.parametrize("document", [b"<r>x</r>", b'<r x="1" y="x"/>', b"<r/>", b"<xx/>"])
def test_neither_text_nor_attribute_is_found_as_an_element(document: bytes):
    assert list(find(parse(document), "x")) == []


def test_limits_on_levels_and_elements_are_exact():
    assert (MAX_DEPTH, MAX_ELEMENTS) == (32, 70_000)
    assert parse(nested(32))
    assert parse(siblings(70_000))
    with pytest.raises(Unreadable, match=r"^more than 32 nested elements$"):
        parse(nested(33))
    with pytest.raises(Unreadable, match=r"^more than 70000 elements$"):
        parse(siblings(70_001))


def test_depth_limit_ignores_closed_elements():
    assert parse(b"<a>" + nested(31) * 100 + b"</a>")


def test_reply_for_the_largest_batch_is_read():
    document = (
        f"<r {TURBO}>"
        + "<ResultArray>0c306f85-57f5-f84a-1033-6075af2bcc6e</ResultArray>" * 60_000
        + "</r>"
    )
    assert len(document) > 3_700_000
    assert len(list(find(parse(document.encode()), "turbo:ResultArray"))) == 60_000


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "not well-formed XML: no element found in line 1"),
        (b"secret", "not well-formed XML: syntax error in line 1"),
        (b"<a>\nsecret", "not well-formed XML: no element found in line 2"),
        (b"<a></b>", "not well-formed XML: mismatched tag in line 1"),
        (b"<s:a/>", "not well-formed XML: unbound prefix in line 1"),
        (b"<a/><secret/>", "not well-formed XML: junk after document element in line 1"),
        (
            b"<br />\n<b>Warning</b>: secret<br />\n<?xml version='1.0'?><a/>",
            "not well-formed XML: 36 bytes before the XML declaration",
        ),
        (
            b"\xa0<?xml version='1.0'?><a/>",
            "not well-formed XML: 1 bytes before the XML declaration",
        ),
        (b"<a/>\n<b>Warning</b>", "not well-formed XML: junk after document element in line 2"),
        (b"\xef\xbb\xbf \r\n", "not well-formed XML: no element found in line 1"),
        (b"<!DOCTYPE a><a/>", "a document type declaration is not allowed"),
        (b'<?xml version="1.0" encoding="secret"?><a/>', "not readable XML (LookupError)"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "not readable XML (ValueError)"),
    ],
)
def test_invalid_xml_is_refused_without_quotes_or_parser_error(document: bytes, said: str):
    """The error names the reason, and keeps no other exception and no value alive."""
    error = raised_by(lambda: parse(document))
    assert type(error) is Unreadable
    assert str(error) == said
    assert (error.__cause__, error.__context__) == (None, None)
    *_, frame = frames_of(error)
    assert frame.f_code.co_name == "parse", "no frame of the parser is kept alive"
    assert "document" not in frame.f_locals


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1251", "koi8-r"])
def test_document_is_read_in_its_declared_encoding(encoding: str):
    document = (
        f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?><a>Ваш код</a>'.encode(
            encoding
        )
    )
    assert parse(document) == {"a": "Ваш код"}


@pytest.mark.parametrize(
    "before",
    [
        b"\n",
        b" \t\r\n",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        b"\n\xef\xbb\xbf \n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251"])
def test_white_space_and_byte_order_marks_before_xml_are_skipped(before: bytes, encoding: str):
    document = f'<?xml version="1.0" encoding="{encoding}"?><a>Ваш код</a>'.encode(encoding)
    assert parse(before + document) == {"a": "Ваш код"}
    assert parse(before + b"<a/>") == {"a": None}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", ["\ufeff", "\ufeff\n", "\ufeff\ufeff \r\n"])
@pytest.mark.parametrize("printed", [b"", b"\n", b" \r\n"])
def test_utf16_document_may_have_them_too(encoding: str, before: str, printed: bytes):
    document = (before + '<?xml version="1.0" encoding="utf-16"?><a>Ваш код</a>').encode(encoding)
    assert parse(printed + document) == {"a": "Ваш код"}


# --- documents that are read in one pass ----------------------------------------------------------

PATH = ("urn:a r", "urn:a s", "urn:a t")
INSIDE = st.sampled_from(
    [
        *("", " ", "\n", "a", "я", "&lt;b&gt;", "&#1103;", "\xa0", "<![CDATA[<t>]]>", "<!-- c -->"),
        *("<?pi?>", "<t/>", "<t>a</t>", "<t> </t>", "<t>a<!-- c -->b</t>", "<t xmlns='urn:b'/>"),
        *("<t xmlns='urn:a'>c</t>", "<t href='#1'/>", "<s><t>a</t></s>", "<u/>", "<t><t/></t>"),
        *("</s><s>", "<s/>", "&", "<!DOCTYPE r>", "</s>", "<t>", "</t>"),
    ]
)


def texts_of_the_tree(document: bytes) -> list[str | None] | None:
    """The texts of all `t` of `parse`, if the path is there once."""
    try:
        tree = parse(document)["urn:a:r"]
        (inner,) = find(tree, "urn:a:s")
        return [text_of(one) for one in find(inner, "urn:a:t")]
    except (Unreadable, ValueError):
        return None


@given(before=INSIDE, inside=st.lists(INSIDE, max_size=6), after=INSIDE)
def test_one_pass_reads_what_the_tree_has(before: str, inside: list[str], after: str):
    document = f"<r xmlns='urn:a'>{before}<s>{''.join(inside)}</s>{after}</r>".encode()
    texts = plain_texts(document, PATH)
    assert texts is None or texts == texts_of_the_tree(document)


@pytest.mark.parametrize(
    ("inside", "texts"),
    [
        ("<t>a</t>\n<t/><t> </t><t>&lt;b</t>", ["a", None, " ", "<b"]),
        ("<t>a<!-- c -->b<![CDATA[<]]></t>", ["ab<"]),
        ("<t xmlns='urn:a'>a</t>", ["a"]),
        ("", []),
        *(
            (odd, None)
            for odd in ("a", "<t a='1'/>", "<u/>", "<t><t/></t>", "</s><s>", "<t>", "&a;")
        ),
    ],
)
def test_one_pass_reads_only_what_it_expects(inside: str, texts: list[str | None] | None):
    document = f"<r xmlns='urn:a'><s>{inside}</s></r>".encode()
    assert plain_texts(b"\n" + document, PATH) == texts


@pytest.mark.parametrize("place", ["<!DOCTYPE r>{}", "{}<r/>", "x{}"])
def test_one_pass_reads_nothing_of_an_odd_document(place: str):
    document = "<r xmlns='urn:a'><s><t>a</t></s></r>"
    assert plain_texts(document.encode(), PATH) == ["a"]
    assert plain_texts(place.format(document).encode(), PATH) is None


def test_one_pass_has_the_same_limit_of_elements():
    def document(count: int) -> bytes:
        return f"<r xmlns='urn:a'><s>{'<t/>' * count}</s></r>".encode()

    assert len(plain_texts(document(MAX_ELEMENTS - 2), PATH) or ()) == MAX_ELEMENTS - 2
    assert len(list(find(parse(document(MAX_ELEMENTS - 2)), "urn:a:t"))) == MAX_ELEMENTS - 2
    assert plain_texts(document(MAX_ELEMENTS - 1), PATH) is None
    with pytest.raises(Unreadable):
        parse(document(MAX_ELEMENTS - 1))
