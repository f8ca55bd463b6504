//! Privacy rules on their way from the database into presentities: read once, and again when somebody changes them.

use std::sync::Arc;

use module_api::abi::LogLevel;

use super::core::Core;
use super::step::NotNow;
use crate::authorization::Rules;
use crate::presentity_uri::PresentityUri;
use crate::store::RulesDocument;

impl Core {
    /// Gives a presentity its rules, and runs the requests that waited for them. Who is watching already is decided on by
    /// the timers, like any other event.
    pub(super) fn install_rules(&self, uri: &Arc<PresentityUri>, documents: &[RulesDocument]) {
        let rules = self.read_rules(uri, documents);
        let now = self.now().mono;
        let mut shard = self.shards.lock(uri);
        let slot = shard.slot(uri);
        slot.presentity.set_rules(rules);
        self.look_at(slot, now);
        drop(shard);
        self.unpark(uri);
    }

    /// Reads the documents of the kinds that are rules. What is malformed denies, and is reported without saying whose.
    pub(super) fn read_rules(&self, owner: &PresentityUri, documents: &[RulesDocument]) -> Rules {
        let types = &self.settings.rules_doc_types;
        let rules = documents.iter().filter(|document| types.contains(&document.doc_type));
        let (rules, malformed) = Rules::read(rules.map(|document| document.document.as_str()));
        for reason in malformed {
            self.metrics.count(self.metrics.malformed_rules);
            self.warn(&format!("a privacy rules document is malformed and allows nobody anything: {reason}"));
            self.host.log(LogLevel::DEBUG, &format!("it is one of {owner}"));
        }
        rules
    }

    /// Returns the presentity if its rules are in memory.
    pub(super) fn knows_rules_of(&self, uri: &PresentityUri) -> Option<Arc<PresentityUri>> {
        let mut shard = self.shards.lock(uri);
        shard.get(uri).filter(|slot| slot.presentity.knows_rules()).map(|slot| slot.presentity.uri().clone())
    }

    /// Lets nobody in by rules that were changed and cannot be read; the next who asks has them read.
    pub(super) fn forget_rules(&self, uri: &PresentityUri) {
        if let Some(slot) = self.shards.lock(uri).get(uri) {
            slot.presentity.forget_rules();
        }
    }

    /// Sends away the requests that waited for rules which cannot be read.
    pub(super) fn refuse_parked(&self, uri: &Arc<PresentityUri>) {
        let mut shard = self.shards.lock(uri);
        let parked = std::mem::take(&mut shard.slot(uri).parked);
        shard.forget_if_idle(uri, self.queue.settled(), &self.timers);
        drop(shard);
        self.refuse_all(parked, NotNow::Unsettled);
    }
}
