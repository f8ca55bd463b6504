"""baresip and PJSIP publish and watch, crosswise, through a presence server that runs: what each shows of the other.

Only what the programs themselves show counts. Each row of the table is one thing shown by one watcher, with the time
from the deed to the sight. Nothing waits by the clock. The publications of killed programs are seen to expire: baresip
asks for a few seconds, PJSIP names no time and so gets the longest that the server grants.
"""

import argparse
import contextlib
import shutil
import sys
import time

from baresip import Baresip
from pjsip import Pjsip
from program import DEADLINE_S, Unseen

BARESIP_EXPIRES_S = 5
# A publication that lasts longer is not seen to its end.
PATIENCE_S = 60
# What is shown of a program's log when it fails: some messages.
LOG_CHARACTERS = 6000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", metavar="ADDRESS:PORT")
    parser.add_argument("transport", choices=["udp", "tcp"])
    parser.add_argument("--domain", default="pres.example", help="a domain that the server serves")
    parser.add_argument("--max-expires", type=int, default=3600, metavar="SECONDS", help="the longest that it grants")
    arguments = parser.parse_args()
    if not shutil.which("baresip"):
        sys.exit("baresip is not installed: run tests/interop/setup")
    with contextlib.ExitStack() as running:
        play = Play(arguments, running)
        try:
            play.all()
        except Unseen as unseen:
            for program in play.concerned:
                print(f"\n--- the end of what {program.kind} of {program.user} logged", file=sys.stderr)
                print(program.log()[-LOG_CHARACTERS:], file=sys.stderr)
            print(f"\nNOT SEEN over {arguments.transport}, when {play.deed}: {unseen}", file=sys.stderr)
            sys.exit(1)


class Moment:
    """When something is done, and what the watchers have said until then."""

    def __init__(self, watchers):
        self.at = time.monotonic()
        self.marks = {watcher: watcher.mark() for watcher in watchers}

    def passed_s(self):
        return time.monotonic() - self.at


class Play:
    """One run over one transport: two watchers throughout, and publishers that come and go."""

    def __init__(self, arguments, running):
        self.arguments = arguments
        self.running = running
        self.watchers = []
        # What a failure is about.
        self.concerned = []
        self.deed = "watchers come"

    def all(self):
        self.watchers_come()
        killed = [self.baresip_is_killed(), self.pjsip_is_killed()]
        self.baresip_publishes()
        self.pjsip_publishes()
        self.one_user_has_both()
        self.one_user_has_an_idle_device_first()
        for expire in killed:
            expire()
        self.watchers_leave()

    def watchers_come(self):
        users = [self.user(name) for name in ("baresip", "pjsip", "both", "killed-baresip", "killed-pjsip")]
        moment = Moment([])
        self.watchers = [self.start(kind, f"watching-{kind.kind}", buddies=users) for kind in (Baresip, Pjsip)]
        for user in users:
            self.seen(None, "nobody is there", user, moment, baresip="Offline", pjsip="offline")

    def baresip_publishes(self):
        publisher = self.start(Baresip, "baresip", publish_expires_s=600)
        self.does(publisher, "comes", ["online"], baresip="Online", pjsip="online")
        self.does(publisher, "sets offline", ["offline"], baresip="Offline", pjsip="offline")
        self.does(publisher, "sets online", ["online"], baresip="Online", pjsip="online")
        self.leaves(publisher, baresip="Offline", pjsip="offline")

    def pjsip_publishes(self):
        publisher = self.start(Pjsip, "pjsip")
        self.does(publisher, "comes", ["online"], baresip="Online", pjsip="online")
        call = "online busy “in a call”"
        self.does(publisher, "busy, with note", ["online", "busy", "in a call"], baresip="Busy", pjsip=call)
        self.late_watchers_come(publisher, baresip="Busy", pjsip=call)
        # baresip shows whoever is away as offline, whatever the basic status.
        self.does(publisher, "away", ["online", "away"], baresip="Offline", pjsip="online away")
        self.does(publisher, "back, with note", ["online", "", "back"], baresip="Online", pjsip="online “back”")
        self.does(publisher, "sets offline", ["offline"], baresip="Offline", pjsip="offline")
        self.does(publisher, "sets online", ["online"], baresip="Online", pjsip="online")
        self.leaves(publisher, baresip="Offline", pjsip="offline")

    def one_user_has_both(self):
        """Neither program reads beyond the first tuple: a second device must not hide what the first one says."""
        first = self.start(Pjsip, "both")
        second = self.start(Baresip, "both", publish_expires_s=600)
        self.does(first, "busy", ["online", "busy"], baresip="Busy", pjsip="online busy")
        self.does(second, "comes too", ["online"], baresip="Busy", pjsip="online busy")
        self.does(second, "sets offline", ["offline"], baresip="Busy", pjsip="online busy")
        self.does(second, "sets online", ["online"], baresip="Busy", pjsip="online busy")
        self.leaves(first, baresip="Online", pjsip="online")
        self.leaves(second, baresip="Offline", pjsip="offline")

    def one_user_has_an_idle_device_first(self):
        """The same, where the device that says less published first."""
        first = self.start(Baresip, "both", publish_expires_s=600)
        second = self.start(Pjsip, "both")
        self.does(first, "sets offline", ["offline"], baresip="Offline", pjsip="offline")
        self.does(second, "comes too", ["online"], baresip="Online", pjsip="online")
        self.does(second, "busy", ["online", "busy"], baresip="Busy", pjsip="online busy")
        self.does(first, "sets online", ["online"], baresip="Busy", pjsip="online busy")
        self.leaves(second, baresip="Online", pjsip="online")
        self.leaves(first, baresip="Offline", pjsip="offline")

    def late_watchers_come(self, publisher, **expected):
        """Two more watchers come while there is something to see, and leave again."""
        moment = Moment([])
        steady = self.watchers
        self.watchers = [self.start(kind, f"late-{kind.kind}", buddies=[publisher.user]) for kind in (Baresip, Pjsip)]
        self.seen(publisher, "is watched late", publisher.user, moment, **expected)
        self.watchers_leave()
        self.watchers = steady

    def baresip_is_killed(self):
        publisher = self.start(Baresip, "killed-baresip", publish_expires_s=BARESIP_EXPIRES_S)
        return self.is_killed(publisher, min(BARESIP_EXPIRES_S, self.arguments.max_expires))

    def pjsip_is_killed(self):
        return self.is_killed(self.start(Pjsip, "killed-pjsip"), self.arguments.max_expires)

    def is_killed(self, publisher, expires_s):
        """Publishes and is killed; returns how to see its publication expire."""
        published = self.does(publisher, "comes", ["online"], baresip="Online", pjsip="online")
        publisher.kill()

        def expire():
            if expires_s > PATIENCE_S:
                print(f"the publication of {publisher.kind} that was killed lasts {expires_s} s: not waited for")
                return
            offline = {"baresip": "Offline", "pjsip": "offline"}
            self.seen(publisher, "was killed", publisher.user, published, not_before_s=expires_s, **offline)

        return expire

    def watchers_leave(self):
        """Each takes its subscriptions back, and is told that they are over."""
        moment = Moment([])
        for watcher in self.watchers:
            self.concerned, self.deed = [watcher], "watchers leave"
            watcher.check_subscriptions()
            watcher.leave()
        for watcher in self.watchers:
            self.concerned = [watcher]
            watcher.wait_until_left()
            self.row("", watcher, "terminated", moment)

    def does(self, publisher, deed, words, **expected):
        moment = Moment(self.watchers)
        publisher.publish(*words)
        self.seen(publisher, deed, publisher.user, moment, **expected)
        return moment

    def leaves(self, publisher, **expected):
        moment = Moment(self.watchers)
        publisher.leave()
        self.seen(publisher, "leaves", publisher.user, moment, **expected)
        publisher.wait_until_left()

    def seen(self, publisher, deed, user, moment, not_before_s=0, **expected):
        """Waits until each watcher shows of `user` what is expected of its kind."""
        self.deed = f"{publisher.kind} {deed}" if publisher else deed
        for watcher in self.watchers:
            self.concerned = [program for program in (publisher, watcher) if program]
            words = expected[watcher.kind]
            watcher.wait_until_seen(user, words, moment.marks.get(watcher, 0), not_before_s + DEADLINE_S)
            if moment.passed_s() < not_before_s:
                raise Unseen(f"{watcher.kind} shows {user} as {words} before {not_before_s} s are over")
            self.row(user, watcher, words, moment)

    def row(self, user, watcher, words, moment):
        name = user.removeprefix("sip:").split("@")[0]
        passed = f"{moment.passed_s() * 1000:8.0f} ms"
        print(f"{self.arguments.transport}  {name:15}{self.deed:24}{watcher.kind:9}{words:26}{passed}", flush=True)

    def user(self, name):
        return f"sip:{name}@{self.arguments.domain}"

    def start(self, kind, name, **options):
        program = kind(self.user(name), self.arguments.server, self.arguments.transport, **options)
        self.running.callback(program.close)
        self.concerned = [program]
        program.wait_until_ready()
        return program


main()
