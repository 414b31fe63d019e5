"""The example login as an application for uvicorn, whose claims have a short lease."""

from __future__ import annotations

from examples import example

import smsgate
from smsgate import outbox

LEASE = 10.0

outbox.Outbox._grace = 0.0
login = example("fastapi_login")
login.PATIENCE = smsgate.Timeouts(send=LEASE)
app = login.app
