"""Targets that need a whole server on the air: by name, each a way to have one for as long as it is fed. Does I/O."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from server.embedded.postgres import start_postgres
from server.embedded.valkey import start_valkey
from server.migrate import migrate
from tests.fuzz.http_api import HttpApi
from tests.fuzz.target import Target
from tests.journey.api_site import toured


@asynccontextmanager
async def _http() -> AsyncIterator[HttpApi]:
    folder = _open_folder()
    postgres = start_postgres(folder, folder / "p")
    valkey = start_valkey(folder, folder / "v")
    try:
        url = postgres.url_of("postgres")
        await asyncio.to_thread(migrate, url)
        async with toured(url, valkey.url) as crawl:
            yield HttpApi(crawl)
    finally:
        valkey.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _open_folder() -> Path:
    """A folder for two servers that may run as another user."""
    folder = Path(tempfile.mkdtemp(prefix="wc-"))
    folder.chmod(0o755)
    for name in ("p", "v"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    return folder


LIVE: dict[str, Callable[[], AbstractAsyncContextManager[Target]]] = {HttpApi.name: _http}
