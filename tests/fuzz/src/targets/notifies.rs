//! What leaves the server, judged as it leaves: answers and NOTIFYs are SIP, a NOTIFY is valid to its watcher, and the next in its
//! dialog.

use std::collections::{HashMap, HashSet};

use module_api::sip::header::HeaderId;
use module_api::sip::message::{HeaderTable, Message, StartLine, scan};
use module_api::sip::method::Method;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::via::Via;

use crate::pidf::{CONTENT_TYPE, Presence as Document};
use crate::xml::Element;

/// The one mistake of a peer's that is answered 500 (RFC 3261 §12.2.2).
const OUT_OF_ORDER: &[u8] = b"CSeq is not higher than the last";

/// What was seen before.
#[derive(Default)]
pub(super) struct Notifies {
    branches: HashSet<Vec<u8>>,
    /// The last CSeq in each dialog.
    last: HashMap<[Vec<u8>; 3], u32>,
    /// The database refuses what somebody may publish.
    pub(super) is_poisoned: bool,
}

/// What a datagram was.
pub(super) enum Seen {
    Answer {
        etag: Option<Vec<u8>>,
        to_tag: Option<Vec<u8>>,
    },
    Notify {
        branch: Vec<u8>,
    },
    /// A NOTIFY that was sent before.
    Repeated,
}

impl Notifies {
    /// Whoever repeats a SUBSCRIBE to the letter, when its subscription is over and forgotten, gets the same dialog once more.
    pub(super) fn dialogs_may_be_over(&mut self) {
        self.last.clear();
    }

    pub(super) fn check(&mut self, raw: &[u8]) -> Seen {
        let text = String::from_utf8_lossy(raw);
        let mut table = HeaderTable::new();
        let message = scan(raw, &mut table).unwrap_or_else(|error| panic!("{error:?}: {text}"));
        match message.start() {
            StartLine::Response { code, reason } => {
                // An answer holds what the request held, sound or not.
                assert!((200..700).contains(&code), "{text}");
                assert!(code != 500 || self.is_poisoned || reason.of(raw) == OUT_OF_ORDER, "{text}");
                assert!(message.body().is_empty(), "{text}");
                let to = || NameAddr::parse(message.header(HeaderId::TO)?).ok()?.tag().map(<[u8]>::to_vec);
                let to_tag = if code == 200 { to() } else { None };
                Seen::Answer { etag: message.header(HeaderId::SIP_ETAG).map(<[u8]>::to_vec), to_tag }
            }
            StartLine::Request { .. } => self.check_notify(&message, &text),
        }
    }

    fn check_notify(&mut self, message: &Message<'_>, text: &str) -> Seen {
        assert_eq!((message.method(), message.defect()), (Method::NOTIFY, None), "{text}");
        let header = |id| message.header(id).unwrap_or_else(|| panic!("no {id:?} in {text}"));
        let via = Via::parse_first(header(HeaderId::VIA)).unwrap_or_else(|error| panic!("{error:?}: {text}"));
        let branch = via.branch().unwrap_or_else(|| panic!("no branch in {text}")).to_vec();
        if !self.branches.insert(branch.clone()) {
            return Seen::Repeated;
        }
        let dialog = [HeaderId::CALL_ID, HeaderId::FROM, HeaderId::TO].map(|id| header(id).to_vec());
        let cseq = message.cseq().expect("a sound message has one").number;
        let before = self.last.insert(dialog.clone(), cseq);
        assert!(before.is_none_or(|before| before < cseq), "CSeq {cseq} behind {before:?}: {text}");
        let _ = (header(HeaderId::EVENT), header(HeaderId::CONTACT));
        if header(HeaderId::SUBSCRIPTION_STATE).starts_with(b"terminated") {
            self.last.remove(&dialog);
        }
        match message.header(HeaderId::CONTENT_TYPE) {
            None => assert!(message.body().is_empty(), "{text}"),
            Some(media_type) if media_type == CONTENT_TYPE.as_bytes() => {
                Document::read(message.body()).unwrap_or_else(|error| panic!("{error}: {text}"));
            }
            Some(_) => {
                Element::read(message.body()).unwrap_or_else(|error| panic!("{error}: {text}"));
            }
        }
        Seen::Notify { branch }
    }
}
