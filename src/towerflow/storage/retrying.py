"""Trying again: what passes by itself, how long to wait, and when to give up."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

from towerflow.errors import StorageError

T = TypeVar("T")

TRANSIENT_STATUS: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class Transient(Exception):  # noqa: N818 (a fault that passes is not yet an error)
    """A fault that may be gone at the next try; what was asked for may have happened or not."""


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with full jitter (Amazon's "Exponential Backoff And Jitter").

    Attributes:
        deadline: seconds from the first fault of a request until it is given up.
        first_delay: longest wait after the first fault, in seconds; doubles each time.
        longest_delay: where that ends.
        quiet: seconds of faults after which a line says, once, what is waited for.
        connect_timeout: seconds until a connection has to be there.
        read_timeout: seconds between two bytes of an answer.
    """

    deadline: float = 300.0
    first_delay: float = 0.5
    longest_delay: float = 30.0
    quiet: float = 10.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0

    @property
    def timeouts(self) -> tuple[float, float]:
        """To connect and to read, as `requests` takes them."""
        return self.connect_timeout, self.read_timeout

    def run(self, operation: str, path: str, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it raises no Transient.

        Raises:
            StorageError: the deadline came first; it names `operation`, `path` and the last fault.
        """
        tries, first_fault, delay, told = 0, 0.0, self.first_delay, False
        while True:
            tries += 1
            try:
                return attempt()
            except Transient as fault:
                now = time.monotonic()
                first_fault = first_fault or now
                wait = random.uniform(0, delay)  # noqa: S311 (no secret)
                if now + wait - first_fault > self.deadline:
                    raise StorageError(
                        path,
                        operation=operation,
                        fault=str(fault),
                        tries=tries,
                        seconds=now - first_fault,
                    ) from fault
                if now - first_fault > self.quiet and not told:
                    told = True
                    print(
                        f"towerflow: {path}: cannot {operation}, {fault}; trying again for "
                        f"{self.deadline - (now - first_fault):.0f} s more",
                        flush=True,
                    )
            time.sleep(wait)
            delay = min(2 * delay, self.longest_delay)
