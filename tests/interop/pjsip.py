"""A user of PJSIP: `pjsip_agent.py` in a process of its own, seen from outside."""

import json
import os
import subprocess
import sys
import tempfile

from program import DEADLINE_S, Said, Unseen

AGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pjsip_agent.py")


class Pjsip:
    """A running PJSIP with one account; it publishes once told to, and watches `buddies`."""

    kind = "pjsip"

    def __init__(self, user, server, transport, buddies=()):
        self.user = user
        self._buddies = buddies
        self._log = tempfile.TemporaryFile("w+", prefix="pjsip-", errors="replace")
        command = [sys.executable, AGENT, user, server, transport]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._log, text=True)
        self._said = Said(json.loads(line) for line in self._process.stdout)

    def wait_until_ready(self):
        self._wait_for("ready")
        for buddy in self._buddies:
            self._tell("watch", buddy)

    def publish(self, status, activity="", note=""):
        """Sets the user's status, `online` or `offline`, with an activity (`busy`, `away`) and a note."""
        self._tell("publish", status, activity, note)

    def wait_until_seen(self, user, expected, since, within_s):
        """Waits until it says of `user` what is `expected`: the words of `view`."""

        def find(events):
            return True if latest(events, user) == expected else None

        if self._said.wait_for(find, since, within_s) is None:
            raise Unseen(f"pjsip shows {user} as {latest(self._said.since(since), user)!r}, not as {expected!r}")

    def mark(self):
        """Returns where what it says from here on begins."""
        return len(self._said)

    def check_subscriptions(self):
        """Refuses to go on if a subscription has ended that nobody took back."""
        for event in self._said.since(0):
            if event.get("subscription") == "TERMINATED":
                raise Unseen(f"pjsip lost a subscription: {event}")

    def leave(self):
        """Leaves as a user does: it takes back its subscriptions up to the last NOTIFY, then its publication."""
        since = self.mark()
        self._tell("unwatch_all")
        for buddy in self._buddies:
            self.wait_until_seen(buddy, "terminated by timeout", since, DEADLINE_S)
        self._tell("leave")

    def wait_until_left(self):
        self._wait_for("left")
        status = self._process.wait(DEADLINE_S)
        if status != 0:
            raise Unseen(f"the agent of pjsip ends with {status}")

    def kill(self):
        """Kills it on the spot: it takes nothing back."""
        self._process.kill()
        self._process.wait()

    def log(self):
        self._log.seek(0)
        return self._log.read()

    def close(self):
        if self._process.poll() is None:
            self.kill()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    def _tell(self, *words):
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def _wait_for(self, word):
        if self._said.wait_for(lambda events: any(word in event for event in events) or None) is None:
            raise Unseen(f"the agent of pjsip does not say {word!r}")


def latest(events, user):
    """Returns the last thing said of a user, in words; None if nothing was."""
    of_user = [event for event in events if event.get("buddy") == user]
    return view(of_user[-1]) if of_user else None


def view(event):
    """Puts in words what PJSIP says of a buddy: status, activity and note, or why the subscription is over."""
    if event["subscription"] == "TERMINATED":
        return f"terminated by {event['reason']}"
    if event["subscription"] != "ACTIVE":
        return event["subscription"].lower()
    note = f"“{event['note']}”" if event["note"] else ""
    return " ".join(word for word in (event["status"], event["activity"], note) if word)
