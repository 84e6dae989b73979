"""Sales documents over HTTP, as plain text with their hash as `ETag`."""

from aiohttp import web

from commerce.service import CommerceService
from server.auth.permissions import require
from server.http.query import path_id


def routes(service: CommerceService) -> list[web.RouteDef]:
    """The route /api/v1/documents/{document_id}."""

    async def show(request: web.Request) -> web.Response:
        who = require(request, "document.read")
        document_id = path_id(request, "document_id", "dc", "no_such_document")
        document = await service.products.document(document_id, staff=who.is_staff)
        # A document never changes under its id; who may read it can, so a cache asks every time.
        headers = {"ETag": f'"{document.sha256}"', "Cache-Control": "private, no-cache"}
        return web.Response(text=document.text, headers=headers)

    return [web.get("/api/v1/documents/{document_id}", show)]
