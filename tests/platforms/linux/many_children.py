"""Applications to be placed and given back: ``many_children.py PROCESSES THREADS``.

Prints their pids on one line once they run; all end when this process's standard input does.
"""

import os
import signal
import sys
import threading


def main(processes: int, threads: int) -> None:
    """Start them, tell their pids, and end them when nobody listens any more."""
    parent, pids = os.getpid(), []
    for _ in range(processes):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            for _ in range(threads - 1):
                threading.Thread(target=signal.pause, daemon=True).start()
            os.write(write, b".")
            signal.pause()
        os.read(read, 1)
        os.close(read)
        os.close(write)
        pids.append(pid)
    assert parent == os.getpid()
    sys.stdout.write(" ".join(map(str, pids)) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
