"""`ray start` with the daemons alone that run tasks, and with time for them on a machine that is busy.

    python -P ray_start.py start --head --block ...

A raylet waits 15 seconds for files in which its agents say their ports, and `ray start` 30 seconds for the
raylet; then each gives up, and nothing sets these limits otherwise. The agents are Python and take seconds of
a core to start: where each core has ten processes, no head would ever come up. So the agent of the dashboard
runs in Ray's own minimal form, which serves nothing; the ports, known beforehand, are said for the agents;
and `ray start` waits as long as it may. How long that is the parent decides, which ends it (ray_driver.py).

This file is run by its path, without the package: it imports Ray and the standard library alone.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from ray._private import services, utils
from ray._raylet import (
    DASHBOARD_AGENT_LISTEN_PORT_NAME,
    METRICS_AGENT_PORT_NAME,
    METRICS_EXPORT_PORT_NAME,
    RUNTIME_ENV_AGENT_PORT_NAME,
    persist_port,
)
from ray.scripts import scripts

_NOT_SERVED = (DASHBOARD_AGENT_LISTEN_PORT_NAME, METRICS_AGENT_PORT_NAME, METRICS_EXPORT_PORT_NAME)
_NO_PORT = -1
"""What a minimal agent itself says of these."""
_LOOK_S = 0.2


class Raylet:
    """Ray's two functions around the raylet that `ray start` starts, without their limits of time."""

    def __init__(self, start: Callable[..., Any], get_node: Callable[..., Any]) -> None:
        self._start, self._get_node = start, get_node
        self._started: Any = None

    def start(self, *args: Any, **options: Any) -> Any:
        """Starts it, with the files written for which it would wait."""
        node, session = args[2], args[11]
        for name in _NOT_SERVED:
            persist_port(session, node, name, _NO_PORT)
        persist_port(session, node, RUNTIME_ENV_AGENT_PORT_NAME, options["runtime_env_agent_port"])
        self._started = self._start(*args, **options)
        return self._started

    def get_node(self, *args: Any, **options: Any) -> Any:
        """What is known of its node, once it is. Raises RuntimeError where it has ended before."""
        while True:
            try:
                return self._get_node(*args, **options)
            except RuntimeError:
                if self._started is None or self._started.process.poll() is not None:
                    raise
            time.sleep(_LOOK_S)


def start_nothing(*_args: Any, **_options: Any) -> tuple[str, None]:
    """In the place of the dashboard's server, which would count the use for Ray: no address, no process."""
    return "", None


def _say_left_out() -> ImportError:
    """What Ray is told of the dashboard and of the server for clients elsewhere: they are not installed."""
    return ImportError("left out")


if __name__ == "__main__":
    raylet = Raylet(services.start_raylet, services.get_node)
    services.start_raylet, services.get_node = raylet.start, raylet.get_node
    services.start_api_server = start_nothing
    utils.get_dashboard_dependency_error = scripts.get_ray_client_dependency_error = _say_left_out
    sys.exit(scripts.main())
