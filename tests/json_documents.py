"""The documents that the command prints with `--json`, checked against their schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

__all__ = ["FAILURES", "SCHEMAS", "complaint", "documents_of", "kinds_of", "named_by", "read_all"]

SCHEMAS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "docs" / "schemas" / "output.json").read_text("utf-8")
)
FAILURES = {"Failed", "FailedSend"}


def named_by(command: str) -> str:
    """Return the name of the schema of a command: `campaign-run` for `campaign run`."""
    return "-".join(command.split())


def documents_of(command: str) -> list[str]:
    """Return the names of the documents that a command may print."""
    alternatives = SCHEMAS["$defs"][named_by(command)]["anyOf"]
    return [one["$ref"].rpartition("/")[2] for one in alternatives]


def complaint(document: Any, kind: str) -> str:
    """Return why this is not a document of this kind, "" if it is one."""
    checker = Draft202012Validator(SCHEMAS | {"$ref": f"#/$defs/{kind}"})
    error = best_match(checker.iter_errors(document))
    return "" if error is None else f"{kind}: {error.json_path}: {error.message}"


def read_all(printed: str) -> list[Any]:
    """Return the JSON values of an output, which are one document or lines."""
    found, rest = [], printed.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def kinds_of(command: str, printed: str) -> list[str]:
    """Return of which kind each document of an output is. Each must be of exactly one kind."""
    kinds = []
    for document in read_all(printed):
        complaints = {kind: complaint(document, kind) for kind in documents_of(command)}
        fitting = [kind for kind, why in complaints.items() if not why]
        assert len(fitting) == 1, "\n".join([str(document), *filter(None, complaints.values())])
        kinds += fitting
    return kinds
