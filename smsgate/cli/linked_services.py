"""Variables that Docker links and Kubernetes services set, which look like those of our options.

A link or a service called `smsgate-sandbox` sets `SMSGATE_SANDBOX_PORT=tcp://10.0.0.7:8025` in
other containers, and Kubernetes also in the sandbox's own. Rule of this file: only shapes that no
option of ours can have.
"""

from __future__ import annotations

import re

__all__ = ["set_by_link"]

_NAMES = re.compile(
    r"PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO|START|END|PORT_START|PORT_END))?"
    r"|SERVICE_(?:HOST|PORT(?:_\w+)?)"
    r"|ENV_\w+",
    re.ASCII,
)
_VALUES = {
    "PORT": re.compile(r"(?:tcp|udp|sctp)://.*"),
    "NAME": re.compile(r"/[^/;]+/[^/;]+"),
}


def set_by_link(name: str, value: str) -> bool:
    """Return whether a link or a service has set this variable, and not the user.

    Args:
        name: the variable without the prefix `SMSGATE_SANDBOX_`.
        value: its value.
    """
    shape = _VALUES.get(name)
    return bool(shape.fullmatch(value) if shape else _NAMES.fullmatch(name))
