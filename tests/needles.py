"""The words that tests search for in logs, errors, reports and exports.

No duration, id, path or random text can contain one of them by chance: each has letters that no
hexadecimal number has.
"""

from __future__ import annotations

WORD = "zvirobiyqxz"
"""Stands for a code in a message."""

TEXT = f"Ваш таємний код: {WORD}"
LOGIN = "login-qzkovila"
PASSWORD = "pass-word-qzromashka"
WRONG_PASSWORD = "another-qzbarvinok"
CREDITS = "918273645546372"
"""A balance of so many digits that no other number has them."""
