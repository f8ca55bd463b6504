"""A user of PJSIP: one library, one account, told what to do on stdin, saying what it sees on stdout.

Each line of stdin is an array, a word and its arguments; each line of stdout is an object. It is a process of its own
because the library is a singleton, and because it is to be killed. What PJSIP logs, messages included, is on stderr.
"""

import json
import os
import select
import sys

import pjsua2

STATUSES = {
    pjsua2.PJSUA_BUDDY_STATUS_OFFLINE: "offline",
    pjsua2.PJSUA_BUDDY_STATUS_ONLINE: "online",
    pjsua2.PJSUA_BUDDY_STATUS_UNKNOWN: "unknown",
}
ACTIVITIES = {
    pjsua2.PJRPID_ACTIVITY_AWAY: "away",
    pjsua2.PJRPID_ACTIVITY_BUSY: "busy",
    pjsua2.PJRPID_ACTIVITY_UNKNOWN: "",
}
POLL_MS = 10

# The library writes to stdout before it can be told where to log: what we say goes out by a descriptor of our own.
OUT = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def say(**what):
    OUT.write(json.dumps(what) + "\n")


def key_of(table, value):
    return next(key for key, known in table.items() if known == value)


class Buddy(pjsua2.Buddy):
    """A user that is watched; everything PJSIP knows of it is said whenever PJSIP says that something is new."""

    def onBuddyState(self):
        info = self.getInfo()
        presence = info.presStatus
        say(
            buddy=info.uri,
            subscription=info.subStateName,
            reason=info.subTermReason,
            status=STATUSES[presence.status],
            text=presence.statusText,
            activity=ACTIVITIES[presence.activity],
            note=presence.note,
        )


class Agent:
    def __init__(self, user, server, transport):
        self.buddies = {}
        self.endpoint = pjsua2.Endpoint()
        self.endpoint.libCreate()
        self.endpoint.libInit(endpoint_config())
        kinds = {"udp": pjsua2.PJSIP_TRANSPORT_UDP, "tcp": pjsua2.PJSIP_TRANSPORT_TCP}
        socket = pjsua2.TransportConfig()
        socket.boundAddress = "127.0.0.1"
        self.endpoint.transportCreate(kinds[transport], socket)
        self.endpoint.libStart()
        self.config = account_config(user, server, transport)
        self.account = pjsua2.Account()
        self.account.create(self.config, True)

    def do_watch(self, uri):
        config = pjsua2.BuddyConfig()
        config.uri = uri
        config.subscribe = True
        self.buddies[uri] = Buddy()
        self.buddies[uri].create(self.account, config)

    def do_unwatch_all(self):
        for buddy in self.buddies.values():
            buddy.subscribePresence(False)

    def do_publish(self, status, activity, note):
        presence = pjsua2.PresenceStatus()
        presence.status = key_of(STATUSES, status)
        presence.activity = key_of(ACTIVITIES, activity)
        presence.note = note
        self.account.setOnlineStatus(presence)

    def run(self):
        """Serves the library and stdin by turns, until stdin ends or says `leave`."""
        unread = b""
        say(ready=True)
        while True:
            self.endpoint.libHandleEvents(POLL_MS)
            if not select.select([sys.stdin], [], [], 0)[0]:
                continue
            chunk = os.read(sys.stdin.fileno(), 65536)
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                word, *arguments = json.loads(line)
                if word == "leave":
                    return
                getattr(self, f"do_{word}")(*arguments)
            if not chunk:
                return

    def close(self):
        """Leaves as a user does who closes the program: PJSIP takes back its publication."""
        self.endpoint.libDestroy()
        say(left=True)


def endpoint_config():
    config = pjsua2.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.userAgent = "pjsip"
    config.medConfig.hasIoqueue = False
    config.logConfig.level = 5
    config.logConfig.consoleLevel = 0
    config.logConfig.filename = "/dev/stderr"
    return config


def account_config(user, server, transport):
    config = pjsua2.AccountConfig()
    config.idUri = user
    config.presConfig.publishEnabled = True
    config.sipConfig.proxies.append(f"sip:{server};transport={transport};lr")
    return config


def main():
    agent = Agent(*sys.argv[1:])
    agent.run()
    agent.close()


main()
