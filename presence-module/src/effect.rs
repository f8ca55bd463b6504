//! What a decision makes leave the server, once what it rests on is in the database.

use std::sync::Arc;

use module_api::abi::Body;
use smol_str::SmolStr;

use crate::change::{Change, SubscriptionKey};
use crate::dialog::DialogKey;
use crate::headers::subscription_state::SubscriptionState;
use crate::packed_row::PackedRow;
use crate::presentity_uri::PresentityUri;

/// What should happen: memory applies the changes, the store writes them, and only then the effects leave.
#[derive(Debug, Default)]
pub struct Decision {
    /// In the order they happen.
    pub changes: Vec<Change>,
    /// In the order they leave: the reply before its NOTIFY.
    pub effects: Vec<Effect>,
}

impl Decision {
    /// Takes out the answers.
    pub(crate) fn take_replies(&mut self) -> Vec<Effect> {
        self.effects.extract_if(.., |effect| matches!(effect, Effect::Reply(_))).collect()
    }

    /// Answers, and changes nothing.
    pub fn reply(reply: Reply) -> Self {
        Self { changes: Vec::new(), effects: vec![Effect::Reply(reply)] }
    }

    /// Returns whether the store has something to write.
    pub fn is_durable(&self) -> bool {
        self.changes.iter().any(Change::is_durable)
    }

    /// Returns whether it answers a request, and says no.
    pub fn is_refusal(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Reply(reply) if reply.code >= 300))
    }

    /// Returns whether nothing happens at all.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.effects.is_empty()
    }
}

/// One message.
#[derive(Debug)]
pub enum Effect {
    /// A final response.
    Reply(Reply),
    /// A NOTIFY.
    Notify(Notification),
}

/// A final response to a pending transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The transaction.
    pub transaction: u64,
    /// The status code.
    pub code: u16,
    /// Said instead of the standard phrase, if not empty.
    pub reason: SmolStr,
    /// Added where the request has none.
    pub to_tag: SmolStr,
    /// Complete header lines.
    pub headers: Vec<u8>,
    /// Whether Record-Route is copied.
    pub mirror_record_route: bool,
    /// What this answer brought into being; undone if nobody waits for the answer any more.
    pub created: Option<Created>,
}

impl Reply {
    /// Answers 200 with `headers`.
    pub fn ok(transaction: u64, to_tag: SmolStr, headers: Vec<u8>) -> Self {
        let (reason, mirror_record_route, created) = (SmolStr::default(), false, None);
        Self { transaction, code: 200, reason, to_tag, headers, mirror_record_route, created }
    }
}

/// What a 2xx brought into being, and whose it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Created {
    /// Whose presence it is.
    pub presentity: Arc<PresentityUri>,
    /// What it is.
    pub what: Creation,
}

/// Something a 2xx brings into being.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Creation {
    /// A publication, by its row and entity-tag.
    Publication {
        /// The row.
        id: u64,
        /// The tag it has until somebody continues it.
        entity_tag: SmolStr,
    },
    /// A subscription.
    Subscription(SubscriptionKey),
}

/// A NOTIFY with everything bound: CSeq, state and document are of one moment.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The dialog it is sent in.
    pub dialog: DialogKey,
    /// The subscription it is about.
    pub row: PackedRow,
    /// Its CSeq.
    pub cseq: u32,
    /// Its Subscription-State.
    pub state: SubscriptionState,
    /// The document, empty for none.
    pub body: Body,
    /// The open connection it uses, 0 for none.
    pub flow: u64,
}
