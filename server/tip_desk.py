"""What crosses from the room to the points ledger: a tip, and a balance."""

from chat.errors import TipRefused, Unavailable
from chat.moderation import Judge
from chat.nicknames import presentable
from commerce.applause import Applause
from commerce.errors import CommerceError
from commerce.errors import Unavailable as LedgerUnavailable
from server.auth.accounts_postgres import AccountStore
from server.gathered_reads import GatheredReads


class TipDesk:
    """Implements the room's port on the ledger."""

    def __init__(self, applause: Applause, accounts: AccountStore, judge: Judge) -> None:
        self._applause = applause
        self._accounts = accounts
        self._judge = judge
        self._balances = GatheredReads(applause.balances)

    async def tip(self, account_id: str, broadcast_id: str, points: int, key: str) -> int:
        """Give points once a key; the nickname that the room will read is the account's."""
        try:
            account = await self._accounts.by_id(account_id)
            done = await self._applause.tip(
                account_id,
                broadcast_id,
                points,
                nickname=presentable(account.nickname, account_id, self._judge) if account else "",
                key=key,
            )
        except LedgerUnavailable as error:
            raise Unavailable(str(error)) from None
        except CommerceError as error:
            raise TipRefused(error.code, str(error)) from None
        return done.balance

    async def balance(self, account_id: str) -> int:
        """Read the viewer's points; a crowd that joins at once reads together."""
        try:
            return await self._balances.read(account_id)
        except LedgerUnavailable as error:
            raise Unavailable(str(error)) from None
