//! What became of a NOTIFY (RFC 6665 §4.2.2): its token finds the dialog, the dialog its presentity.

use module_api::abi::Outcome;
use module_api::sip::header::HeaderId;
use module_api::sip::list::List;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::token::{delta_seconds, trim};
use module_api::sip::uri::Uri;
use smol_str::SmolStr;

use super::core::Core;
use crate::dialog::DialogKey;
use crate::notify_outcome::{NotifyOutcome, Verdict};

impl Core {
    /// Takes in what became of a NOTIFY.
    pub(super) fn on_outcome(&self, outcome: &Outcome<'_>) {
        let [high, low, cseq] = outcome.token();
        let dialog = DialogKey((u128::from(high) << 64 | u128::from(low)).to_be_bytes());
        let was_answered = if outcome.is_local() { (outcome.code() == 408).then_some(false) } else { Some(true) };
        self.unanswered.lock().on_outcome(dialog, was_answered, self.now().mono);
        let Some(presentity) = self.dialogs.find(dialog) else { return };
        let remote_target = (200..300).contains(&outcome.code()).then(|| contact(outcome)).flatten();
        let (code, is_local, retry_after_s) = (outcome.code(), outcome.is_local(), retry_after(outcome));
        let outcome = NotifyOutcome { code, is_local, remote_target, retry_after_s };
        if outcome.verdict(self.settings.policy.silence_ends) != Verdict::Keep {
            self.metrics.count(self.metrics.notify_failures);
        }
        self.settle_notify(&presentity, dialog, cseq as u32, outcome);
    }
}

/// Reads when the watcher may be tried again (RFC 3261 §20.33), an hour at most.
fn retry_after(outcome: &Outcome<'_>) -> Option<u32> {
    let value = trim(outcome.header(HeaderId::RETRY_AFTER)?);
    let digits = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    delta_seconds(&value[..digits]).ok().map(|seconds| seconds.min(RETRY_AFTER_MAX_S))
}

/// The longest that a watcher is left with an old document because it asks for it.
const RETRY_AFTER_MAX_S: u32 = 3600;

/// Reads where a 2xx says the watcher is from now on (RFC 3261 §12.2.1.2).
fn contact(outcome: &Outcome<'_>) -> Option<SmolStr> {
    let first = List::new(outcome.header(HeaderId::CONTACT)?).next()?;
    let uri = NameAddr::parse(first).ok()?.uri;
    Uri::parse(uri).ok().filter(Uri::is_sip)?;
    std::str::from_utf8(uri).ok().filter(|uri| !uri.contains(['\r', '\n', '\0'])).map(SmolStr::new)
}
