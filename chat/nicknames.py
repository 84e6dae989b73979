"""Names that people gave themselves, checked like everything else they write. Pure."""

from dataclasses import replace

from chat.moderation import Judge
from chat.ports import Authenticator, Principal

_NEUTRAL = "客户"
_SHOWN = 4


def presentable(nickname: str, account_id: str, judge: Judge) -> str:
    """Return the nickname, or a neutral one for one that would not pass as a comment."""
    judgement = judge.judge(nickname)
    if judgement.verdict == "pass" and judgement.text == nickname:
        return nickname
    return f"{_NEUTRAL}{account_id[-_SHOWN:]}"


class NamingAuthenticator:
    """An authenticator around another, whose principals have names that can be shown."""

    def __init__(self, inner: Authenticator, judge: Judge) -> None:
        self._inner = inner
        self._judge = judge

    async def authenticate(self, token: str) -> Principal:
        """As the port says."""
        principal = await self._inner.authenticate(token)
        if principal.role != "viewer":
            return principal
        return replace(principal, nickname=presentable(principal.nickname, principal.account_id, self._judge))
