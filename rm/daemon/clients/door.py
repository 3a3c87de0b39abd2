"""Who may connect: so many at once, so many a second, root always."""

from collections import Counter
from collections.abc import Iterable

from rm.daemon.clients.peer import Peer
from rm.daemon.clients.token_bucket import TokenBucket

MOST_CONNECTIONS = 64
KEPT_FOR_ROOT = 8
"""Of those: nobody else can take the last places, so that ``ilgov status`` gets in."""

MOST_PER_USER = 8
"""Connections of one user other than root."""

USERS_PER_S = 20.0
"""Connections a second, and at once after a pause, of one user other than root."""

ALL_PER_S = 200.0
"""The same for all users together; more wait in the kernel's queue."""

SHUT_FOR_S = 0.5

_ROOT_UID = 0


class Door:
    """Remembers who came lately."""

    def __init__(self, now_s: float) -> None:
        self._all = TokenBucket(ALL_PER_S, ALL_PER_S, now_s)
        self._shut_until_s = now_s
        self._users: dict[int, TokenBucket] = {}

    def opens_in_s(self, now_s: float) -> float:
        """In how many seconds the next one may be let in at all."""
        return max(self._all.ready_s(now_s), self._shut_until_s - now_s)

    def shut(self, now_s: float) -> None:
        """Let nobody in for a while: the process has no descriptors left."""
        self._shut_until_s = now_s + SHUT_FOR_S

    def refusal(self, peer: Peer, present: Iterable[Peer], now_s: float) -> str | None:
        """Why this peer may not come in beside those who are `present`, None where it may."""
        self._all.take(now_s)
        mine = Counter(other.uid for other in present)
        most = MOST_CONNECTIONS if peer.uid == _ROOT_UID else MOST_CONNECTIONS - KEPT_FOR_ROOT
        if mine.total() >= most:
            return f"connections must be at most {most} (got one more); try again later"
        if peer.uid == _ROOT_UID:
            return None
        if mine[peer.uid] >= MOST_PER_USER:
            return f"connections of a user must be at most {MOST_PER_USER} (got one more)"
        if not self._bucket(peer.uid, now_s).take(now_s):
            return f"connections of a user must be at most {USERS_PER_S:g} a second"
        return None

    def _bucket(self, uid: int, now_s: float) -> TokenBucket:
        if uid not in self._users:
            self._users = {u: b for u, b in self._users.items() if not b.is_full(now_s)}
            self._users[uid] = TokenBucket(USERS_PER_S, USERS_PER_S, now_s)
        return self._users[uid]
