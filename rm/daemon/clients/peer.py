"""Who is at the other end of a Unix socket, as the kernel says."""

import socket
import struct
from typing import NamedTuple

_UCRED = struct.Struct("iII")


class Peer(NamedTuple):
    """The process that connected, and its effective user at that moment.

    `pid` is 0 for a process that this pid namespace does not show.
    """

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """The peer's credentials (SO_PEERCRED, ``man 7 unix``)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return Peer(pid, uid)
