"""Every operation of the API answers as its OpenAPI document says it does: asked well on a tour, then by everybody."""

import asyncio

import msgspec
import pytest

from tests.fuzz.http_api import HttpApi, Request
from tests.fuzz.runner import run
from tests.fuzz.target import Broken
from tests.journey.api_site import toured


async def test_every_operation_succeeds_and_answers_everybody_as_its_document_says(
    postgres_url: str, redis_url: str
) -> None:
    async with toured(postgres_url, redis_url) as crawl:
        assert crawl.unanswered() == []
        everybody = len(crawl.tokens) + 1  # each role, another customer, and who has not signed in
        before = {name: crawl.heard[name].total() for name in crawl.operations}
        # One seed for ever: this slice guards what `./run fuzz http` has walked, and blocks nobody by chance.
        await asyncio.to_thread(run, HttpApi(crawl), 1, everybody * len(crawl.operations))
        assert all(crawl.heard[name].total() - before[name] >= everybody for name in crawl.operations)
        await asyncio.to_thread(what_is_not_as_the_document_says_is_noticed, HttpApi(crawl))


def what_is_not_as_the_document_says_is_noticed(target: HttpApi) -> None:
    """The same requests, handed in as what they are not."""
    for body, right in (({"title": "晚班车"}, False), ({}, True), ({"title": 5}, True)):
        made = Request("host", "POST", "/api/v1/broadcasts", right, body=body, media_type="application/json")
        with pytest.raises(Broken):
            target.feed(msgspec.json.encode(made))
