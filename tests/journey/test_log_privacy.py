"""Plant and grep: what people are, say and hold does not reach the log of a real server, also when things break."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from server.demo.bank import OWN_ID, PASSWORD
from server.demo.seed import seed
from tests.commerce.bank import DATA_KEYS
from tests.journey.demo import free_port
from tests.journey.serving import Server, serving

NAME, PHONE, SAID = "欧阳planted", "13800138000", "钱planted词"
SECRETS = ("planted", PHONE, "hunter2", "eyJ", "wce_")
# Errors that quote the row: a unique index (DETAIL: Key (title)=…), and what a trigger says of a comment.
BREAK = """
CREATE UNIQUE INDEX one_title ON broadcasts (title);
CREATE FUNCTION quote_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'refused %', NEW USING DETAIL = 'Failing row contains ' || NEW.text; END $$;
CREATE TRIGGER quoting BEFORE INSERT ON comments FOR EACH ROW EXECUTE FUNCTION quote_it();
UPDATE broadcasts SET state = 'live', title = 'x' WHERE broadcast_id = 'bc_demo';
"""


@pytest.fixture
async def broken_url(postgres_url: str) -> str:
    await asyncio.to_thread(seed, postgres_url, DATA_KEYS)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(BREAK)
    await connection.close()
    return postgres_url


async def sign_in(session: aiohttp.ClientSession, login: str, password: str) -> tuple[int, dict[str, Any]]:
    async with session.post("/api/v1/sessions", json={"login": login, "password": password}) as response:
        return response.status, await response.json(content_type=None)


async def raw(port: int, text: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(1_000), 30)
    writer.close()


async def talk(server: Server, token: str) -> list[str]:
    """Say hello and something; return the raw frames up to the end or the refusal."""
    frames: list[str] = []
    async with connect(server.gateway, subprotocols=[Subprotocol("wealthcast.v1.json")]) as socket:
        hello = f'{{"type":"hello","token":"{token}","broadcast_id":"{OWN_ID}","client_id":"c"}}'
        await socket.send(hello)
        await socket.send(f'{{"type":"comment","id":"m","text":"{SAID} {PHONE}"}}')
        with contextlib.suppress(WebSocketException, TimeoutError):
            async with asyncio.timeout(30):
                while not any('"id":"m"' in frame for frame in frames):
                    frames.append(str(await socket.recv()))
    return frames


async def test_nothing_personal_and_no_secret_is_in_the_log_of_a_server_whose_stores_quote_it(
    broken_url: str, redis_url: str, tmp_path: Path
) -> None:
    written = tmp_path / "server.log"
    admin = free_port()
    with written.open("wb") as log:
        async with serving(
            broken_url, redis_url, stderr=log.fileno(), log_level="debug", admin_port=str(admin)
        ) as server:
            await live_badly(server)
            told = await metrics(admin)
    text = written.read_text()
    assert '"exception"' in text
    assert "UniqueViolationError (23505, broadcasts, one_title)" in text
    assert "request_failed" in text
    assert "a group of 1 comments was not stored" in text
    assert all('"request_id"' in line for line in text.splitlines() if '"request_failed"' in line)
    assert 'wealthcast_http_requests_total{method="POST",route="/whep/{broadcast_id}"' in told
    for secret in (*SECRETS, OWN_ID, "ac_"):
        assert secret not in told, [line for line in told.splitlines() if secret in line][:3]
    for secret in (*SECRETS, PASSWORD):
        assert secret not in text, [line[:300] for line in text.splitlines() if secret in line][:3]


async def metrics(port: int) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        assert response.status == 200
        return await response.text()


async def live_badly(server: Server) -> None:
    """Do everything that could make somebody log what it was about."""
    async with aiohttp.ClientSession(server.base) as session:
        assert (await sign_in(session, NAME, "hunter2"))[0] == 401
        _, host = await sign_in(session, "linxiao", PASSWORD)
        headers = {"Authorization": f"Bearer {host['token']}"}
        statuses = []
        for _ in range(2):
            async with session.post("/api/v1/broadcasts", json={"title": "讲座 planted"}, headers=headers) as response:
                statuses.append(response.status)
        assert statuses == [201, 500]
        async with session.get("/api/v1/me", headers={"Authorization": "Bearer eyJplanted.eyJplanted.x"}) as response:
            assert response.status == 401
        async with session.post(
            f"/whip/{OWN_ID}", data=f"v=0\r\ns={NAME}", headers={**headers, "Content-Type": "application/sdp"}
        ) as response:
            assert response.status == 400
        async with session.post(
            "/whip/bc_planted", data="x", headers={"Authorization": "Bearer wce_planted"}
        ) as response:
            assert response.status in (401, 404)
        async with session.post(
            f"/whep/{OWN_ID}", data=f"v=0\r\ns={NAME}", headers={**headers, "Content-Type": "application/sdp"}
        ) as response:
            assert response.status == 400
        for port in (server.port, server.port + 1):
            await raw(port, f"GET /planted?token=wce_planted HTTP/9.9\r\nX: {PHONE}\r\n\r\n".encode())
            await raw(port, b"\x16\x03planted hunter2\r\n\r\n")
        frames = await talk(server, host["token"])
        assert any('"unavailable"' in frame for frame in frames), frames
        assert await talk(server, "eyJplanted.x.y")
