"""Starts Argilla in the environment of its own: `python -I launch.py`, with its settings as one line of JSON.

Imports nothing of this package. The settings come on standard input and not as arguments, since they hold
passwords; the server ends when that pipe does, so it outlives no parent, however that one ends. The rest of
Argilla's settings stand in ARGILLA_* variables.

Redis is a part of this process (fakeredis), and so is the worker of Argilla's jobs; search is the database.
"""

import asyncio
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any


def launch() -> None:
    """Prepare the database, make the accounts, and serve until SIGTERM or the end of standard input."""
    os.umask(0o077)
    sys.path.insert(0, str(Path(__file__).parent))
    settings = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _put_redis_inside()
    _migrate()
    asyncio.run(_write_accounts(settings["workspace"], settings["accounts"]))
    importlib.import_module("database_search")
    threading.Thread(target=_work, daemon=True).start()
    _serve(settings["host"], settings["port"])


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _put_redis_inside() -> None:
    """Give Argilla a Redis within this process; it calls `redis.from_url` as it is imported."""
    import fakeredis
    import redis

    server = fakeredis.FakeServer()

    def connect(_url: str, **options: Any) -> Any:
        return fakeredis.FakeRedis(server=server, **options)

    redis.from_url = connect


def _migrate() -> None:
    """Bring the database to this version, and let readers and a writer work on it at the same time."""
    import alembic.command
    import alembic.config
    from argilla_server.database import ALEMBIC_CONFIG_FILE, sync_engine

    with sync_engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    alembic.command.upgrade(alembic.config.Config(ALEMBIC_CONFIG_FILE), "head")
    sync_engine.dispose()


async def _write_accounts(workspace_name: str, wanted: list[dict[str, str]]) -> None:
    """The workspace and the accounts as the parent has them on file; one with that key is left as it is."""
    from argilla_server.contexts import accounts
    from argilla_server.database import AsyncSessionLocal, async_engine
    from argilla_server.models import User, Workspace, WorkspaceUser

    async with AsyncSessionLocal() as db:
        workspace = await Workspace.get_by(db, name=workspace_name)
        if workspace is None:
            workspace = await accounts.create_workspace(db, {"name": workspace_name})
        for account in wanted:
            user = await accounts.get_user_by_username(db, account["username"])
            if user is None:
                user = await User.create(
                    db,
                    first_name=account["username"],
                    last_name=None,
                    username=account["username"],
                    role=account["role"],
                    password_hash=accounts.hash_password(account["password"]),
                    api_key=account["api_key"],
                )
            elif user.api_key != account["api_key"]:
                hashed = accounts.hash_password(account["password"])
                await user.update(db, password_hash=hashed, api_key=account["api_key"])
            if await WorkspaceUser.get_by(db, workspace_id=workspace.id, user_id=user.id) is None:
                await WorkspaceUser.create(db, workspace_id=workspace.id, user_id=user.id)
    await async_engine.dispose()


def _work() -> None:
    """Do Argilla's background jobs in this thread: webhooks, statuses after a change of the overlap."""
    from argilla_server.jobs.queues import DEFAULT_QUEUE, HIGH_QUEUE, REDIS_CONNECTION
    from rq import SimpleWorker
    from rq.timeouts import TimerDeathPenalty

    class ThreadWorker(SimpleWorker):  # type: ignore[misc]  # the library's class has no types here
        death_penalty_class = TimerDeathPenalty

        def _install_signal_handlers(self) -> None:
            """Signals are those of the server: a thread cannot have any."""

    ThreadWorker([HIGH_QUEUE, DEFAULT_QUEUE], connection=REDIS_CONNECTION).work(logging_level="WARNING")


_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""The pages reach this server and nothing else: they ask Google for fonts, and a row could ask for more.
Their own scripts stand in the page, so inline ones have to be let in."""


def _confine_pages(app: Any) -> Any:
    """The app, with a policy on every answer for what a browser may load."""
    headers = [
        (b"content-security-policy", _POLICY.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]

    async def confined(scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, send_with_policy if scope["type"] == "http" else send)

    return confined


def _serve(host: str, port: int) -> None:
    import uvicorn
    from argilla_server import app

    app = _confine_pages(app)
    uvicorn.run(app, host=host, port=port, access_log=False, timeout_graceful_shutdown=5, server_header=False)


if __name__ == "__main__":
    launch()
