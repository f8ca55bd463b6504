"""A user of baresip, played on a terminal: keys go in, what a person would read comes out."""

import os
import pty
import re
import subprocess
import tempfile
import time

from program import DEADLINE_S, Said, Unseen

CONFIG = """\
sip_listen 127.0.0.1:0
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module_app account.so
module_app contact.so
module_app presence.so
module_app menu.so
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTACTS = re.compile(r"--- Contacts \((\d+)\) ---")
CONTACT = re.compile(r"[> ]\s*(\w+)\s.*<(sip:[^>;]+)")
ANSWER_TO_PUBLISH = re.compile(r"^SIP/2\.0 (?:.+\n)+CSeq: \d+ PUBLISH", re.MULTILINE)


class Baresip:
    """A running baresip with one account; it publishes if `publish_expires_s` is not 0, and watches `buddies`."""

    kind = "baresip"

    def __init__(self, user, server, transport, buddies=(), publish_expires_s=0):
        self.user = user
        self._buddy_count = len(buddies)
        self._publishes = publish_expires_s > 0
        self._directory = tempfile.TemporaryDirectory(prefix="baresip-")
        route = f'outbound="sip:{server};transport={transport}"'
        self._write("config", CONFIG)
        self._write("accounts", f"<{user};transport={transport}>;regint=0;pubint={publish_expires_s};{route}\n")
        self._write("contacts", "".join(f'"buddy" <{buddy}>;presence=p2p\n' for buddy in buddies))
        self._keyboard, terminal = pty.openpty()
        # -s: it writes down each message, so that a failure shows what it sent and received.
        command = ["baresip", "-4", "-s", "-f", self._directory.name]
        self._process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
        os.close(terminal)
        self._said = Said(self._read_lines())

    def wait_until_ready(self):
        self._wait_for(re.compile("baresip is ready"), 0, "start")
        if self._publishes:
            # By itself it publishes an unknown status; until that is answered it would not modify but publish anew.
            self._wait_for(ANSWER_TO_PUBLISH, 0, "publish")

    def publish(self, status):
        """Sets the user's status, `online` or `offline`, and waits for the answer: it does not queue."""
        since = self.mark()
        self._press({"online": "[", "offline": "]"}[status])
        self._wait_for(ANSWER_TO_PUBLISH, since, "publish")

    def wait_until_seen(self, user, expected, since, within_s):
        """Waits until it is told of `user`, and then lists it as `expected`: Online, Busy, Offline or Unknown."""
        give_up = time.monotonic() + within_s
        told = re.compile(rf"^NOTIFY (?:.+\n)+From: <{re.escape(user)}>", re.MULTILINE)
        seen = None
        while self._said.wait_for(searcher(told), since, give_up - time.monotonic()):
            since = len(self._said)
            seen = self._list_contacts().get(user)
            if seen == expected:
                return
        raise Unseen(f"baresip shows {user} as {seen or 'before'}, not as {expected}")

    def mark(self):
        """Returns where what it says from here on begins."""
        return len(self._said)

    def check_subscriptions(self):
        """Refuses to go on if a subscription has ended that nobody took back."""
        lost = [line for line in self._said.since(0) if "subscriber closed" in line]
        if lost:
            raise Unseen(f"baresip lost a subscription: {lost[0]}")

    def leave(self):
        """Quits as a user does: it takes back its publication, and its subscriptions up to the last NOTIFY."""
        self._press("q")

    def wait_until_left(self):
        try:
            status = self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise Unseen("baresip does not end when told to quit") from None
        if status != 0:
            raise Unseen(f"baresip ends with {status}")
        over = sum(line.startswith("Subscription-State: terminated;reason=timeout") for line in self._said.all())
        if over != self._buddy_count:
            raise Unseen(f"baresip was told of the end of {over} subscriptions out of {self._buddy_count}")

    def kill(self):
        """Kills it on the spot: it takes nothing back."""
        self._process.kill()
        self._process.wait()

    def log(self):
        return "\n".join(self._said.since(0))

    def close(self):
        if self._process.poll() is None:
            self.kill()
        self._directory.cleanup()

    def _list_contacts(self):
        start = len(self._said)
        self._press("C")
        listed = self._said.wait_for(read_list, start)
        if listed is None:
            raise Unseen("baresip does not list its contacts")
        return listed

    def _wait_for(self, pattern, since, deed):
        if self._said.wait_for(searcher(pattern), since) is None:
            raise Unseen(f"baresip does not {deed}")

    def _press(self, key):
        os.write(self._keyboard, key.encode())

    def _write(self, name, text):
        with open(os.path.join(self._directory.name, name), "w", encoding="utf-8") as file:
            file.write(text)

    def _read_lines(self):
        unread = b""
        while True:
            try:
                chunk = os.read(self._keyboard, 65536)
            except OSError:
                return  # The other end of the terminal is closed: it has ended.
            *lines, unread = (unread + chunk).split(b"\n")
            yield from (COLOUR.sub("", line.decode(errors="replace")).rstrip("\r") for line in lines)


def searcher(pattern):
    """Returns how to look for a pattern in lines."""
    return lambda lines: pattern.search("\n".join(lines))


def read_list(lines):
    """Returns the status of each contact in the first list among `lines`; None if it has not come yet."""
    for index, line in enumerate(lines):
        if header := CONTACTS.search(line):
            entries = [entry for line in lines[index + 1 :] if (entry := CONTACT.match(line))]
            count = int(header[1])
            return {entry[2]: entry[1] for entry in entries[:count]} if len(entries) >= count else None
    return None
