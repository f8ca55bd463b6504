//! A row of `watchers`: what was decided about somebody who asked.

use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::dialog_id::named_by;
use super::foreign_row::{ForeignRow, Skipped};
use super::layout::Layout;
use crate::change::WatcherRow;
use crate::dialog::DialogKey;
use crate::package::Package;
use crate::watcher::Status;

/// Takes over an authorisation state. One that nobody has decided on waits `waiting_time_s` more from `now_s` on, however
/// long it waited already: the others forget the state after a day or three, and keep the subscription.
///
/// # Errors
/// It is of a package that is not served here, or names nobody.
pub fn watcher(row: &ForeignRow, layout: Layout, waiting_time_s: u64, now_s: u64) -> Result<WatcherRow, Skipped> {
    let (package, presentity, watcher, status_column) = match layout {
        Layout::Seed2006 => {
            (Package::Presence, row.user("p_user", "p_domain")?, row.user("w_user", "w_domain")?, "subs_status")
        }
        Layout::Kamailio | Layout::OpenSips => {
            let presentity = named_by(&row.target("presentity_uri")?);
            let presentity = presentity.ok_or_else(|| Skipped::of("presentity_uri", "names nobody"))?;
            (row.package()?, presentity, row.user("watcher_username", "watcher_domain")?, "status")
        }
    };
    let (status, reason) = status_and_reason(row, status_column)?;
    let (identity, whom) = (watcher.to_uri("sip"), presentity.to_uri("sip"));
    let id = DialogKey::of(b"", whom.as_bytes(), identity.as_bytes()).subscription(package.name(), "", 0);
    let is_undecided = matches!(status, Status::Pending | Status::Waiting);
    Ok(WatcherRow {
        presentity: Arc::new(presentity),
        watcher,
        event: package.name().into(),
        status,
        reason,
        inserted_time: row.number("inserted_time")?,
        identity: identity.into(),
        watcher_id: format_smolstr!("{:032x}", u128::from_be_bytes(id.0)),
        deadline: if is_undecided { now_s.saturating_add(waiting_time_s) } else { 0 },
    })
}

/// Reads where somebody stands, as a number or as a word, and why; a reason that says nothing here is none.
pub(super) fn status_and_reason(row: &ForeignRow, column: &'static str) -> Result<(Status, SmolStr), Skipped> {
    let text = row.text(column)?;
    let status = match &*text {
        "1" => Some(Status::Active),
        "2" => Some(Status::Pending),
        "3" => Some(Status::Terminated),
        "4" => Some(Status::Waiting),
        word => Status::from_token(word),
    };
    let reason = row.text("reason")?;
    let known = ["polite-block", "rejected", "timeout"].into_iter().find(|known| *known == reason);
    let status = status.ok_or_else(|| Skipped::of(column, "is no status of a watcher"))?;
    Ok((status, SmolStr::new_static(known.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presentity_uri::UserAtDomain;
    use crate::store::import::Value;

    /// As Kamailio 5.6.3 wrote it.
    const KAMAILIO: &str = r#"              id = 1
  presentity_uri = sip:dana@pres.example
watcher_username = bob
  watcher_domain = watch.example
           event = presence
          status = 2
          reason = 
   inserted_time = 1795739081"#;

    /// By the columns its documentation names.
    const SEED: &str = r#"p_user = dana
p_domain = pres.example
w_user = bob
w_domain = watch.example
subs_status = active
reason = polite-block
inserted_time = 1165500000"#;

    const NOW_S: u64 = 1_795_740_000;

    fn read(row: &ForeignRow, layout: Layout) -> Result<WatcherRow, String> {
        watcher(row, layout, 600, NOW_S).map_err(|skipped| skipped.to_string())
    }

    #[test]
    fn who_waits_for_a_decision_goes_on_waiting() {
        let row = read(&ForeignRow::from_lines(KAMAILIO), Layout::Kamailio).unwrap();
        assert_eq!((&*row.presentity, &row.watcher), (&dana(), &UserAtDomain::new("bob", "watch.example")));
        assert_eq!((row.status, &*row.reason, row.deadline), (Status::Pending, "", NOW_S + 600));
        assert_eq!((&*row.event, row.inserted_time), ("presence", 1_795_739_081));
        assert_eq!(row.identity, "sip:bob@watch.example");
    }

    #[test]
    fn what_was_decided_in_2006_holds() {
        let row = read(&ForeignRow::from_lines(SEED), Layout::Seed2006).unwrap();
        assert_eq!((&*row.presentity, &row.watcher), (&dana(), &UserAtDomain::new("bob", "watch.example")));
        assert_eq!((row.status, &*row.reason, row.deadline), (Status::Active, "polite-block", 0));
        assert_eq!((&*row.event, row.inserted_time), ("presence", 1_165_500_000));
    }

    #[test]
    fn those_who_wait_are_told_apart() {
        let id = |user: &str| {
            let row = ForeignRow::from_lines(KAMAILIO).with("watcher_username", user.into());
            read(&row, Layout::Kamailio).unwrap().watcher_id
        };
        assert_ne!(id("bob"), id("ann"));
        assert_eq!(id("bob"), id("b%6fb"));
    }

    #[test]
    fn what_cannot_be_held_is_skipped_for_a_reason() {
        let check = |column: &'static str, value: Value, expected: &str| {
            let row = ForeignRow::from_lines(KAMAILIO).with(column, value);
            assert_eq!(read(&row, Layout::Kamailio).unwrap_err(), expected);
        };
        check("event", "message-summary".into(), "the event package `message-summary` is not served here");
        check("status", "5".into(), "`status` is no status of a watcher");
        check("watcher_username", Value::Null, "`watcher_username` is empty");
        check("presentity_uri", "dana".into(), "`presentity_uri` is no SIP URI");
        check("inserted_time", Value::Integer(-1), "`inserted_time` is negative");
    }

    fn dana() -> UserAtDomain {
        UserAtDomain::new("dana", "pres.example")
    }
}
