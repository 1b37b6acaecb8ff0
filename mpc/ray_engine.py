"""Protocols on Ray: supersteps as remote tasks, on the processors of this machine or of a cluster.

Blocks, records and the plan are objects of Ray's store and go from worker to worker; the driver sees summaries and, in the
end, the results. A worker that dies loses nothing: Ray runs its task again from the same arguments, and makes those again
if they were lost too, which is right because supersteps are pure.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from types import TracebackType

from ..compiler.errors import EngineError, InputError


class Ray:
    """Everything on Ray: joins the cluster at `address`, or starts one of `cpus` processors here, and ends what it started.

    Without an address the variable RAY_ADDRESS is used, if it is set. headwork must be installed wherever workers run. A task
    whose worker dies is run again, up to `retries` times. Use it in a `with` statement, or call `close`. A Ray that this
    process has started already is used as it is, and left running. Raises InputError where Ray is not installed, and where
    there is no cluster at the address.
    """

    def __init__(self, address: str | None = None, cpus: int | None = None, retries: int = 3) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when ray is imported: nothing is reported to anyone
        try:
            import ray  # pyright: ignore[reportMissingImports]
            from ray import exceptions  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise InputError("ray is not installed", hint="pip install 'headwork[ray]'") from error
        self._ray, self._lost = ray, (exceptions.WorkerCrashedError, exceptions.ObjectLostError, exceptions.NodeDiedError)
        self._retries = retries
        self._mine = not ray.is_initialized()
        if self._mine:
            address = address or os.environ.get("RAY_ADDRESS") or "local"
            here = address == "local"
            try:
                _require_answer(address)
                ray.init(
                    address,
                    num_cpus=(cpus or os.cpu_count()) if here else None,
                    include_dashboard=False if here else None,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            except (OSError, ValueError) as error:
                raise InputError(
                    f"there is no Ray cluster at {address}", hint="give the address that `ray start --head` printed"
                ) from error
        self._task = ray.remote(max_retries=retries)(_results)

    def put(self, value: object) -> object:
        """A reference to the value in Ray's store."""
        return self._ray.put(value)

    def call(self, function: Callable[..., list[object]], args: Sequence[object], results: int) -> list[object]:
        """References to the results of a task, which starts when its arguments are there and a processor is free."""
        found: object = self._task.options(num_returns=results).remote(function, *args)
        return list(found) if isinstance(found, list) else [found]

    def fetch(self, handles: Sequence[object]) -> list[object]:
        """The values, when they are there. Raises EngineError where workers died more often than tasks are repeated."""
        try:
            return list(self._ray.get(list(handles)))
        except self._lost as error:
            fact = f"Ray gave up on a task that it had repeated {self._retries} times: {type(error).__name__}"
            raise EngineError(fact, hint="workers die where memory runs out: use fewer of them at a time, or more machines") from error

    def close(self) -> None:
        """End Ray if this engine started it."""
        if self._mine and self._ray.is_initialized():
            self._ray.shutdown()

    def __enter__(self) -> Ray:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _results(function: Callable[..., list[object]], *args: object) -> object:
    """A task: one result stands for itself, several are a list, as Ray counts them."""
    found = function(*args)
    return found[0] if len(found) == 1 else found


def _require_answer(address: str) -> None:
    """Raise OSError where nobody listens at host:port; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and "//" not in address:
        socket.create_connection((host, int(port)), timeout=5).close()
