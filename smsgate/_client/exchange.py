"""One request on its way: what proves that it left this process, or that nothing of it did.

Rules of this file:
- *Not sent* needs proof, and the proof must come from the same exchange. There are three proofs:

  1. The HTTP library never got the request: its client is closed, or the request could not be
     built.
  2. All of these are true:
     - Nothing has read the body. (The body is our own object, so any client must read it before
       sending it.)
     - The library reported at least one step of this exchange, and none is the first one after
       which a byte may leave.
     - The exchange was cancelled during a step, or it raised the same exception that the library
       reported for a failed step, or a proxy refused the tunnel.
  3. Nothing has read the body, the request has not begun to leave, and the library says that it
     waited in vain for a free connection. It reports no step during this wait.

- Everything else is in doubt, whatever the class of the exception. A test double, a tool that
  replaces a transport, a hook that removes the events, or a client that reports no steps proves
  nothing.
- Each HTTP library has an adapter, which tells the exchange what the library does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..errors import NotSent, Reason

__all__ = ["TOO_LATE", "Body", "Exchange", "causes_of", "chain"]

TOO_LATE = "nothing was sent: it is too late for the first byte to leave"

_LONGEST_CHAIN = 100


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a request. They contain all secrets, so no `repr` shows them."""

    content: bytes = field(repr=False)


@dataclass(slots=True, eq=False)
class Exchange:
    """What is known about one request: whether any part of it may have left this process."""

    handed_over: bool = False
    """The HTTP library has been given the request."""
    begun: bool = False
    """The request has begun to leave: the library says so, or a response came."""
    may_begin: Callable[[], bool] = lambda: True
    """Called before the first byte leaves. False stops the request, and nothing has left then."""
    stopped: bool = False
    """`may_begin` has stopped the request."""
    tunnel_status: int | None = None
    """The HTTP status of a proxy's answer to CONNECT."""
    _taken: bool = False
    _heard: bool = False
    _failures: list[BaseException] = field(default_factory=list, repr=False)
    _between_steps: bool = False
    _ended: bool | None = None

    @property
    def left(self) -> bool:
        """Whether the request may have left. Exact while it is in flight, final after `end`."""
        if self._ended is not None:
            return self._ended
        # After a failed step the library may already be doing anything else.
        return (
            self.handed_over
            and not self.stopped
            and (self._taken or self.begun or self._between_steps or not self._heard)
        )

    @property
    def taken(self) -> bool:
        """Whether the body has been read."""
        return self._taken

    @property
    def doubt(self) -> str:
        """The words for an error that says that the request may have left."""
        return (
            "when the request had begun to leave"
            if self.begun
            else "and it is not known whether the request left"
        )

    # --- what the library does --------------------------------------------------------------------

    def step(self) -> None:
        """Record that a step has begun during which no byte of the request leaves."""
        self._heard = True
        self._between_steps = False

    def begin(self) -> None:
        """Record that the request begins to leave.

        Raises:
            NotSent: it may not begin any more. The library must stop here.
        """
        self.step()
        self._check_may_begin()
        self.begun = True

    def fail(self, failure: BaseException) -> None:
        """Record that a step has failed with this exception."""
        self._heard = True
        self._failures.append(failure)
        self._between_steps = isinstance(failure, Exception)  # a cancellation is not one

    def take(self) -> None:
        """Record that the body is read, and so may be sent.

        Raises:
            NotSent: the exchange has ended as not sent, or may not begin any more. A library that
                continues in the background must not send after that.
        """
        if self._ended is False:
            raise NotSent(
                "the request has ended as not sent, so its body cannot be read",
                reason=Reason.CLOSED,
            )
        self._check_may_begin()
        self._taken = True

    def _check_may_begin(self) -> None:
        """Raise `NotSent` if nothing has begun to leave and `may_begin` does not allow it now."""
        if self.stopped or not (self.begun or self._taken or self.may_begin()):
            self.stopped = True
            raise NotSent(TOO_LATE, reason=Reason.TOO_LATE)

    # --- how it ended -----------------------------------------------------------------------------

    def not_sent(self, error: Exception, *, waited_in_vain: bool = False) -> bool:
        """Return whether this exception of the exchange proves that nothing of the request left.

        Args:
            error: what the library raised.
            waited_in_vain: the library says that no connection became free for the request.
        """
        if not self.handed_over or self.stopped:
            return True
        if self._taken or self.begun:
            return False
        # The library may have tried several connections: the exception must be one that it
        # reported for a step.
        return (
            waited_in_vain
            or self._refused_tunnel
            or any(one is failure for one in causes_of(error) for failure in self._failures)
        )

    @property
    def _refused_tunnel(self) -> bool:
        return (
            self.tunnel_status is not None
            and not 200 <= self.tunnel_status < 300
            and not self._between_steps
        )

    def end(self, *, left: bool) -> None:
        """Make `left` final and release the exceptions, whose frames hold the request."""
        self._ended = left
        self._failures.clear()


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those from which it was raised."""
    return chain(error, lambda one: one.__cause__)


def chain(
    error: BaseException | None, after: Callable[[BaseException], BaseException | None]
) -> Iterator[BaseException]:
    """Yield an exception and its causes. The chain may be a cycle (`raise error from error`)."""
    seen: list[BaseException] = []
    while (
        error is not None and len(seen) < _LONGEST_CHAIN and not any(error is one for one in seen)
    ):
        yield error
        seen.append(error)
        error = after(error)
