"""A program that runs beside us: what it has said so far, and waiting for what it is going to say."""

import threading
import time

# How long a program may take to start, to end, and to show what it is told: each takes well under a second.
DEADLINE_S = 15


class Unseen(Exception):
    """Something that had to be seen was not; the text says what was seen instead."""


class Said:
    """What a program has said, appended by the thread that reads it."""

    def __init__(self, source):
        """Takes all of `source`, an iterator that waits for what comes, in the background."""
        self._items = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._take_all, args=(source,), daemon=True)
        self._reader.start()

    def __len__(self):
        return len(self._items)

    def since(self, start):
        with self._changed:
            return self._items[start:]

    def all(self):
        """Waits for the end, and returns everything."""
        self._reader.join(DEADLINE_S)
        return self.since(0)

    def wait_for(self, find, start=0, within_s=DEADLINE_S):
        """Returns what `find` returns for all that is said from `start` on, once that is not None; else None."""
        give_up = time.monotonic() + within_s
        with self._changed:
            while (found := find(self._items[start:])) is None:
                left_s = give_up - time.monotonic()
                if self._ended or left_s <= 0:
                    return None
                self._changed.wait(left_s)
            return found

    def _take_all(self, source):
        for item in source:
            with self._changed:
                self._items.append(item)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
