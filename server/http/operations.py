"""What every route under /api/v1 takes, answers and refuses: the table that the OpenAPI document is made of. Pure."""

from server.http.broadcast_operations import BROADCASTS
from server.http.catalogue_operations import CATALOGUE
from server.http.operation import Operation
from server.http.purchase_operations import PURCHASES
from server.http.session_operations import SESSIONS

OPERATIONS: tuple[Operation, ...] = (*SESSIONS, *BROADCASTS, *CATALOGUE, *PURCHASES)
