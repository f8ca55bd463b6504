//! The user agents of a generator: who publishes, who watches, and the requests they make (RFC 3903, RFC 6665).
//!
//! Thousands of them share one socket. A transaction is known by the number in its branch, a dialog by the number in its
//! Call-ID, a document by the version in its note.

use std::fmt::Write;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::wire::Wire;

/// What is brief.
const BRIEF_S: u64 = 10;
/// What is over ends within so long, on a machine that has other things to do.
const GRACE: Duration = Duration::from_secs(5);

/// Who publishes.
#[derive(Clone, Debug, Default)]
pub(super) struct Publisher {
    pub(super) entity_tag: SmolStr,
    /// What was published last, 0 for nothing.
    pub(super) version: u32,
    /// How many watch.
    pub(super) watchers: u32,
    /// The request under way, 0 for none.
    pub(super) request: u32,
    /// When it is over of itself, if it is to be.
    pub(super) lapses: Option<Instant>,
}

/// Who watches: one dialog with one subscription.
#[derive(Clone, Debug, Default)]
pub(super) struct Watcher {
    pub(super) presentity: u32,
    /// The server's tag, empty before it is known.
    pub(super) to_tag: SmolStr,
    /// The remote target, by its place in [`Agents::targets`].
    pub(super) target: usize,
    /// Which of its dialogs it is: each has a Call-ID of its own.
    pub(super) generation: u32,
    /// The CSeq of our last SUBSCRIBE.
    pub(super) cseq: u32,
    /// The CSeq of the last NOTIFY.
    pub(super) notify_cseq: u32,
    /// Whether the next may have any higher CSeq.
    pub(super) may_jump: bool,
    /// Which document the last NOTIFY brought.
    pub(super) version: u32,
    pub(super) is_subscribed: bool,
    /// The request under way, 0 for none.
    pub(super) request: u32,
    /// When it is over of itself, if it is to be.
    pub(super) lapses: Option<Instant>,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Work {
    /// A presentity publishes for the first time.
    PublishInitial,
    /// The same for a few seconds, after which it does nothing.
    PublishBriefly,
    /// It goes on, without a body.
    PublishRefresh,
    /// It publishes another document.
    PublishModify,
    /// It takes its document away.
    PublishRemove,
    /// A watcher subscribes.
    SubscribeInitial,
    /// The same for a few seconds, after which it does nothing.
    SubscribeBriefly,
    /// It goes on.
    SubscribeRefresh,
    /// It ends its subscription.
    Unsubscribe,
    /// It goes on in a dialog that the server does not know.
    SubscribeUnknown,
}

impl Work {
    pub(super) fn is_publish(self) -> bool {
        use Work::{PublishBriefly, PublishInitial, PublishModify, PublishRefresh, PublishRemove};
        matches!(self, PublishBriefly | PublishInitial | PublishRefresh | PublishModify | PublishRemove)
    }

    /// Returns the only right answer.
    pub(super) fn code(self) -> u32 {
        if self == Self::SubscribeUnknown { 481 } else { 200 }
    }

    /// Returns whether it begins a publication or a subscription.
    pub(super) fn is_initial(self) -> bool {
        matches!(self, Self::PublishBriefly | Self::PublishInitial | Self::SubscribeBriefly | Self::SubscribeInitial)
    }

    fn changes_document(self) -> bool {
        self.is_publish() && self != Self::PublishRefresh
    }

    fn expires_s(self) -> u64 {
        match self {
            Self::PublishBriefly | Self::SubscribeBriefly => BRIEF_S,
            Self::PublishRemove | Self::Unsubscribe => 0,
            _ => 3600,
        }
    }

    /// Returns when what it begins is over of itself, and known to be.
    fn lapses(self) -> Option<Instant> {
        let is_brief = matches!(self, Self::PublishBriefly | Self::SubscribeBriefly);
        is_brief.then(|| Instant::now() + Duration::from_secs(BRIEF_S) + GRACE)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Agents {
    pub(super) publishers: Vec<Publisher>,
    pub(super) watchers: Vec<Watcher>,
    /// The different Contacts of the server.
    pub(super) targets: Vec<SmolStr>,
    /// The version of the newest document.
    version: u32,
}

impl Agents {
    /// Begins the request number `number` of agent `subject`: writes it into `out`, and returns how many NOTIFYs are due to
    /// it.
    pub(super) fn begin(&mut self, work: Work, subject: usize, number: u32, wire: &Wire, out: &mut String) -> u32 {
        if work.is_publish() {
            self.publish(work, subject, number, wire, out)
        } else {
            self.subscribe(work, subject, number, wire, out)
        }
    }

    fn publish(&mut self, work: Work, user: usize, number: u32, wire: &Wire, out: &mut String) -> u32 {
        let publisher = &mut self.publishers[user];
        publisher.request = number;
        if work.changes_document() {
            self.version += 1;
            publisher.version = if work == Work::PublishRemove { 0 } else { self.version };
        }
        publisher.lapses = work.lapses();
        let has_body = work.is_initial() || work == Work::PublishModify;
        let body = if has_body { document(user, publisher.version) } else { String::new() };
        let (contact, expires) = (wire.address(), work.expires_s());
        let via = wire.transport().0;
        write!(
            out,
            "PUBLISH sip:user{user}@pres.example SIP/2.0\r\nVia: SIP/2.0/{via} {contact};rport;branch=z9hG4bKload-{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:user{user}@pres.example>;tag=p{user}\r\nTo: <sip:user{user}@pres.example>\r\n\
             Call-ID: publish-{user}\r\nCSeq: {number} PUBLISH\r\nEvent: presence\r\nExpires: {expires}\r\n"
        )
        .expect("a text grows");
        if !work.is_initial() {
            write!(out, "SIP-If-Match: {}\r\n", publisher.entity_tag).expect("a text grows");
        }
        let content = if has_body { "Content-Type: application/pidf+xml\r\n" } else { "" };
        write!(out, "{content}User-Agent: load\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("a text grows");
        if work.changes_document() { publisher.watchers } else { 0 }
    }

    fn subscribe(&mut self, work: Work, dialog: usize, number: u32, wire: &Wire, out: &mut String) -> u32 {
        let watcher = &mut self.watchers[dialog];
        watcher.request = number;
        watcher.cseq += 1;
        if work.is_initial() {
            watcher.generation += 1;
            watcher.notify_cseq = 0;
        }
        let user = watcher.presentity;
        let (contact, (via, transport)) = (wire.address(), wire.transport());
        match self.targets.get(watcher.target).filter(|_| !work.is_initial()) {
            Some(target) => write!(out, "SUBSCRIBE {target} SIP/2.0\r\n"),
            None => write!(out, "SUBSCRIBE sip:user{user}@pres.example SIP/2.0\r\n"),
        }
        .expect("a text grows");
        let tag = match work {
            Work::SubscribeBriefly | Work::SubscribeInitial => String::new(),
            Work::SubscribeUnknown => format!(";tag=unknown-{number}"),
            _ => format!(";tag={}", watcher.to_tag),
        };
        let expires = work.expires_s();
        write!(
            out,
            "Via: SIP/2.0/{via} {contact};rport;branch=z9hG4bKload-{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:watcher{dialog}@pres.example>;tag=w{dialog}\r\n\
             To: <sip:user{user}@pres.example>{tag}\r\nCall-ID: load-{dialog}-{}\r\nCSeq: {} SUBSCRIBE\r\n\
             Contact: <sip:watcher{dialog}@{contact};transport={transport}>\r\nEvent: presence\r\n\
             Accept: application/pidf+xml\r\nExpires: {expires}\r\nUser-Agent: load\r\nContent-Length: 0\r\n\r\n",
            watcher.generation, watcher.cseq
        )
        .expect("a text grows");
        if work == Work::SubscribeUnknown {
            return 0;
        }
        watcher.lapses = work.lapses();
        let was = std::mem::replace(&mut watcher.is_subscribed, work != Work::Unsubscribe);
        let watchers = &mut self.publishers[user as usize].watchers;
        *watchers = *watchers + u32::from(!was) - u32::from(work == Work::Unsubscribe);
        1
    }

    /// Takes in that the server has ended a subscription.
    pub(super) fn on_terminated(&mut self, dialog: usize) {
        let watcher = &mut self.watchers[dialog];
        watcher.lapses = None;
        if std::mem::take(&mut watcher.is_subscribed) {
            self.publishers[watcher.presentity as usize].watchers -= 1;
        }
    }

    /// Takes in that time has passed, and returns how many subscriptions the server should have ended and has not.
    pub(super) fn on_time(&mut self, now: Instant) -> usize {
        let has_lapsed = |lapses: Option<Instant>| lapses.is_some_and(|at| at <= now);
        for publisher in self.publishers.iter_mut().filter(|publisher| has_lapsed(publisher.lapses)) {
            (publisher.version, publisher.lapses) = (0, None);
        }
        let late: Vec<_> = (0..self.watchers.len()).filter(|n| has_lapsed(self.watchers[*n].lapses)).collect();
        late.iter().for_each(|dialog| self.on_terminated(*dialog));
        late.len()
    }

    /// Returns whether nothing of a presentity's is about to be over of itself, `watchers` being its own.
    pub(super) fn is_steady(&self, user: usize, watchers: &[usize]) -> bool {
        self.publishers[user].lapses.is_none() && watchers.iter().all(|dialog| self.watchers[*dialog].lapses.is_none())
    }

    /// Returns how many watchers hold another document than the one that is published.
    pub(super) fn outdated(&self) -> usize {
        let watching = self.watchers.iter().filter(|watcher| watcher.is_subscribed && watcher.notify_cseq > 0);
        let publisher = |watcher: &Watcher| &self.publishers[watcher.presentity as usize];
        let settled = watching.filter(|watcher| publisher(watcher).lapses.is_none());
        settled.filter(|watcher| watcher.version != publisher(watcher).version).count()
    }

    /// Returns the place of the server's Contact among those that were seen.
    pub(super) fn target(&mut self, uri: &str) -> usize {
        match self.targets.iter().position(|target| target == uri) {
            Some(known) => known,
            None => {
                self.targets.push(uri.into());
                self.targets.len() - 1
            }
        }
    }
}

/// A document as a softphone publishes it, about 600 bytes.
fn document(user: usize, version: u32) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
         entity=\"sip:user{user}@pres.example\">\n<tuple id=\"t4109\"><status><basic>open</basic></status>\
         <contact priority=\"0.8\">sip:user{user}@192.0.2.7:5060</contact><note>v{version}</note>\
         <timestamp>2026-01-01T00:00:00Z</timestamp></tuple>\n<dm:person id=\"p7\"><rpid:activities><rpid:busy/>\
         </rpid:activities><dm:note>In a meeting until three</dm:note></dm:person>\n</presence>\n"
    )
}
