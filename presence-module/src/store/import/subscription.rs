//! A row of `active_watchers`: a subscription and the dialog it is in, which goes on where the other server left it.
//!
//! In all layouts `to_tag` is the server's tag, `from_tag` the watcher's, `record_route` has the Record-Route values in the
//! order received, and `expires` is a moment. Kamailio and OpenSIPS write `local_cseq` one behind the last NOTIFY, and
//! behind the events besides.

use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::dialog_id::named_by;
use super::foreign_row::{ForeignRow, Skipped};
use super::layout::Layout;
use super::watcher::status_and_reason;
use crate::change::{Status, SubscriptionKey, SubscriptionRow};
use crate::dialog::DialogKey;
use crate::watcher;

/// How far behind the last NOTIFY a CSeq in a row may be: the others write some minutes behind, and not at all when they
/// are killed. A watcher takes any CSeq that is higher than the last (RFC 3261 §12.2.2).
pub const CSEQ_GAP: u32 = 1024;

/// Takes over a subscription with its dialog, as of `now_s`; one that is over by then is told so at the start.
///
/// # Errors
/// It is of a package that is not served here, has no remote target, or one of its parts is not what the protocol has there.
pub fn subscription(row: &ForeignRow, layout: Layout, now_s: u64) -> Result<SubscriptionRow, Skipped> {
    let package = row.package()?;
    let event_id: SmolStr = row.word("event_id")?.into();
    let (call_id, local_tag, remote_tag) = (row.word("callid")?, row.word("to_tag")?, row.word("from_tag")?);
    for (column, text) in [("callid", &call_id), ("to_tag", &local_tag)] {
        if text.is_empty() {
            return Err(Skipped::of(column, "is empty"));
        }
    }
    let dialog = DialogKey::of(call_id.as_bytes(), local_tag.as_bytes(), remote_tag.as_bytes());
    let key = dialog.subscription(package.name(), &event_id, 0);
    let parties = Parties::read(row, layout)?;
    let presentity = named_by(&parties.presentity_uri).ok_or_else(|| Skipped::of("presentity_uri", "names nobody"))?;
    let identity = named_by(&parties.watcher_uri).ok_or_else(|| Skipped::because("the watcher's URI names nobody"))?;
    let (local_cseq, remote_cseq) = cseqs(row, layout)?;
    let expires: u64 = row.number("expires")?;
    let local_contact = match layout {
        Layout::Seed2006 => parties.local_uri.clone(),
        Layout::Kamailio | Layout::OpenSips => row.target("local_contact")?,
    };
    Ok(SubscriptionRow {
        key,
        presentity: Arc::new(presentity),
        event: package.name().into(),
        event_id,
        call_id: call_id.into(),
        local_tag: local_tag.into(),
        remote_tag: remote_tag.into(),
        local_cseq,
        remote_cseq,
        remote_target: row.target("contact")?,
        route_set: row.route_set("record_route")?,
        expires,
        granted_s: u32::try_from(expires.saturating_sub(now_s)).unwrap_or(u32::MAX),
        status: status(row)?,
        version: 0,
        presentity_uri: parties.presentity_uri,
        local_uri: parties.local_uri,
        remote_uri: parties.remote_uri,
        identity: identity.to_uri("sip").into(),
        watcher: identity,
        accept: SmolStr::default(),
        local_contact,
        received: None,
        socket: row.listener("socket_info")?,
        user_agent: row.text("user_agent")?.into(),
        instance: SmolStr::default(),
        watcher_id: watcher_id(key),
        display_name: SmolStr::default(),
        subscribed_at: now_s,
    })
}

/// Who is on either side, as URIs.
struct Parties {
    /// Whom the SUBSCRIBE was sent to.
    presentity_uri: SmolStr,
    /// Its To.
    local_uri: SmolStr,
    /// Its From.
    remote_uri: SmolStr,
    /// Whom the rules were applied to.
    watcher_uri: SmolStr,
}

impl Parties {
    fn read(row: &ForeignRow, layout: Layout) -> Result<Self, Skipped> {
        let local_uri = row.uri("to_user", "to_domain")?;
        if layout == Layout::Seed2006 {
            let remote_uri = row.uri("from_user", "from_domain")?;
            return Ok(Self {
                presentity_uri: local_uri.clone(),
                local_uri,
                watcher_uri: remote_uri.clone(),
                remote_uri,
            });
        }
        let watcher_uri = row.uri("watcher_username", "watcher_domain")?;
        let remote_uri = match layout {
            Layout::Kamailio => row.uri("from_user", "from_domain")?,
            Layout::OpenSips | Layout::Seed2006 => watcher_uri.clone(),
        };
        Ok(Self { presentity_uri: row.target("presentity_uri")?, local_uri, remote_uri, watcher_uri })
    }
}

/// Returns the highest CSeq that may have been used by NOTIFYs, and the highest that SUBSCRIBEs are known to have used.
///
/// Documents are numbered above the former, so that it is no lower than the number of the last one. In 2006 one number
/// began as the SUBSCRIBE's and grew with each NOTIFY: it is above what the watcher uses next, so what that was is unknown.
fn cseqs(row: &ForeignRow, layout: Layout) -> Result<(u32, u32), Skipped> {
    let column = if layout == Layout::Seed2006 { "cseq" } else { "local_cseq" };
    let (written, version): (u32, u32) = (row.number(column)?, row.number_if_any("version")?.unwrap_or_default());
    let local = written.max(version).checked_add(CSEQ_GAP).filter(|cseq| *cseq <= CSEQ_MAX);
    let remote = if layout == Layout::Seed2006 { 0 } else { row.number("remote_cseq")? };
    Ok((local.ok_or_else(|| Skipped::of(column, "is too large"))?, remote))
}

/// CSeqs are below 2^31 (RFC 3261 §8.1.1.5); a dialog goes on for longer than any uses up what this leaves.
const CSEQ_MAX: u32 = (1 << 31) - (1 << 20);

fn status(row: &ForeignRow) -> Result<Status, Skipped> {
    let (status, reason) = status_and_reason(row, "status")?;
    Status::from_columns(status.as_str(), &reason).ok_or_else(|| {
        Skipped::because(match status {
            watcher::Status::Waiting => "waits without a subscription",
            _ => "the subscription is over",
        })
    })
}

/// As unguessable as the tags of the dialog are.
fn watcher_id(key: SubscriptionKey) -> SmolStr {
    format_smolstr!("{:032x}", u128::from_be_bytes(key.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::TransportAddress;
    use crate::presentity_uri::UserAtDomain;
    use crate::store::import::Value;

    /// As Kamailio 5.6.3 wrote them: the SUBSCRIBE came over two routers that named three routes.
    const ROUTED: &str = r#"              id = 2
  presentity_uri = sip:dana@pres.example
watcher_username = a%6en
  watcher_domain = Watch.example
         to_user = dana
       to_domain = pres.example
           event = presence
        event_id = 
          to_tag = 2cf4063eb1ba3ee9503d95fa60708871-cec744eb
        from_tag = af
          callid = acid
      local_cseq = 1
     remote_cseq = 40
         contact = sip:ann@127.0.0.1:42384;x=y
    record_route = <sip:127.0.0.1:42384;lr;n=1>,<sip:127.0.0.1:42384;lr;n=2>,"q" <sip:127.0.0.1:42384;lr;n=3>;foo=bar
         expires = 1795742106
          status = 2
          reason = 
         version = 1
     socket_info = udp:127.0.0.1:5799
   local_contact = sip:127.0.0.1:5799
       from_user = a%6en
     from_domain = Watch.example
         updated = -1
   updated_winfo = -1
           flags = 0
      user_agent = Phone/1"#;

    const WINFO: &str = r#"              id = 3
  presentity_uri = sip:dana@pres.example
watcher_username = dana
  watcher_domain = pres.example
         to_user = dana
       to_domain = pres.example
           event = presence.winfo
        event_id = 
          to_tag = 2cf4063eb1ba3ee9503d95fa60708871-7efdf97d
        from_tag = wf
          callid = wcid
      local_cseq = 2
     remote_cseq = 4
         contact = sip:dana@127.0.0.1:34268
    record_route = 
         expires = 1795742108
          status = 1
          reason = 
         version = 2
     socket_info = udp:127.0.0.1:5799
   local_contact = sip:127.0.0.1:5799
       from_user = dana
     from_domain = pres.example
         updated = -1
   updated_winfo = -1
           flags = 0
      user_agent = "#;

    /// By the columns its documentation names.
    const SEED: &str = r#"to_user = dana
to_domain = pres.example
from_user = ann
from_domain = watch.example
event = presence
event_id = 
to_tag = 10.4711.1165500000.3
from_tag = af
callid = acid
cseq = 7
contact = sip:ann@192.0.2.5:5062
record_route = <sip:192.0.2.8;lr=on>
expires = 1165503600
status = active
version = 3"#;

    const NOW_S: u64 = 1_795_742_000;

    fn kamailio(row: ForeignRow) -> Result<SubscriptionRow, String> {
        subscription(&row, Layout::Kamailio, NOW_S).map_err(|skipped| skipped.to_string())
    }

    fn with(column: &'static str, value: impl Into<Value>) -> Result<SubscriptionRow, String> {
        kamailio(ForeignRow::from_lines(ROUTED).with(column, value.into()))
    }

    fn check_skipped(column: &'static str, value: impl Into<Value>, expected: &str) {
        assert_eq!(with(column, value).unwrap_err(), expected);
    }

    #[test]
    fn a_dialog_of_kamailio_goes_on() {
        let tag = "2cf4063eb1ba3ee9503d95fa60708871-cec744eb";
        let key = DialogKey::of(b"acid", tag.as_bytes(), b"af").subscription("presence", "", 0);
        let address = "127.0.0.1:5799".parse().unwrap();
        let expected = SubscriptionRow {
            key,
            presentity: Arc::new(UserAtDomain::new("dana", "pres.example")),
            watcher: UserAtDomain::new("ann", "watch.example"),
            event: "presence".into(),
            event_id: "".into(),
            call_id: "acid".into(),
            local_tag: tag.into(),
            remote_tag: "af".into(),
            local_cseq: 1 + CSEQ_GAP,
            remote_cseq: 40,
            remote_target: "sip:ann@127.0.0.1:42384;x=y".into(),
            route_set:
                "<sip:127.0.0.1:42384;lr;n=1>,<sip:127.0.0.1:42384;lr;n=2>,\"q\" <sip:127.0.0.1:42384;lr;n=3>;foo=bar"
                    .into(),
            expires: 1_795_742_106,
            granted_s: 106,
            status: Status::Pending,
            version: 0,
            presentity_uri: "sip:dana@pres.example".into(),
            local_uri: "sip:dana@pres.example".into(),
            remote_uri: "sip:a%6en@Watch.example".into(),
            identity: "sip:ann@watch.example".into(),
            accept: "".into(),
            local_contact: "sip:127.0.0.1:5799".into(),
            received: None,
            socket: Some(TransportAddress { transport: module_api::abi::Transport::UDP, address }),
            user_agent: "Phone/1".into(),
            instance: "".into(),
            watcher_id: watcher_id(key),
            display_name: "".into(),
            subscribed_at: NOW_S,
        };
        assert_eq!(kamailio(ForeignRow::from_lines(ROUTED)), Ok(expected));
    }

    #[test]
    fn a_subscription_to_watcher_information_goes_on_above_its_last_document() {
        let row = kamailio(ForeignRow::from_lines(WINFO).with("version", Value::Integer(9_000))).unwrap();
        assert_eq!((&*row.event, row.status, row.local_cseq), ("presence.winfo", Status::Active, 9_000 + CSEQ_GAP));
    }

    #[test]
    fn opensips_knows_no_from_and_is_told_by_the_watcher() {
        let row = ForeignRow::from_lines(ROUTED).with("from_user", Value::Null).with("from_domain", Value::Null);
        let row = subscription(&row, Layout::OpenSips, NOW_S).unwrap();
        assert_eq!((&*row.remote_uri, &*row.identity), ("sip:a%6en@Watch.example", "sip:ann@watch.example"));
        assert_eq!(row, SubscriptionRow { ..kamailio(ForeignRow::from_lines(ROUTED)).unwrap() });
    }

    #[test]
    fn who_rules_are_applied_to_may_be_another_than_from_says() {
        let row = with("watcher_username", "real").unwrap();
        assert_eq!((&*row.watcher.user, &*row.identity), ("real", "sip:real@watch.example"));
        assert_eq!(row.remote_uri, "sip:a%6en@Watch.example");
    }

    #[test]
    fn a_dialog_of_2006_goes_on_and_takes_the_watchers_next_cseq_whatever_it_is() {
        let row = subscription(&ForeignRow::from_lines(SEED), Layout::Seed2006, 1_165_500_000).unwrap();
        assert_eq!((row.local_cseq, row.remote_cseq), (7 + CSEQ_GAP, 0));
        assert_eq!((&*row.presentity_uri, &*row.local_uri), ("sip:dana@pres.example", "sip:dana@pres.example"));
        assert_eq!((&*row.remote_uri, &*row.identity), ("sip:ann@watch.example", "sip:ann@watch.example"));
        assert_eq!((&*row.remote_target, &*row.route_set), ("sip:ann@192.0.2.5:5062", "<sip:192.0.2.8;lr=on>"));
        assert_eq!((&*row.local_contact, row.socket), ("sip:dana@pres.example", None));
        assert_eq!((row.status, row.granted_s), (Status::Active, 3_600));
        let without = ForeignRow::from_lines(SEED).with("contact", "".into());
        let skipped = subscription(&without, Layout::Seed2006, 0).unwrap_err();
        assert_eq!(skipped.to_string(), "`contact` is empty");
    }

    #[test]
    fn where_it_stands_is_read_as_a_number_and_as_a_word() {
        let check = |status: Value, reason: Value, expected: Result<Status, &str>| {
            let row = ForeignRow::from_lines(ROUTED).with("status", status).with("reason", reason);
            let found = kamailio(row).map(|row| row.status);
            assert_eq!(found.as_ref().map(|status| *status).map_err(String::as_str), expected);
        };
        check(Value::Integer(1), Value::Null, Ok(Status::Active));
        check("1".into(), "".into(), Ok(Status::Active));
        check("active".into(), "(null)".into(), Ok(Status::Active));
        check(Value::Integer(1), "polite-block".into(), Ok(Status::PoliteBlocked));
        check(Value::Integer(2), "polite-block".into(), Ok(Status::Pending));
        check("pending".into(), Value::Null, Ok(Status::Pending));
        check(Value::Integer(3), "rejected".into(), Err("the subscription is over"));
        check(Value::Integer(4), Value::Null, Err("waits without a subscription"));
        check(Value::Integer(5), Value::Null, Err("`status` is no status of a watcher"));
    }

    #[test]
    fn what_is_over_is_taken_over_to_be_told_and_gets_nothing_back() {
        let row = with("expires", Value::Integer(NOW_S as i64 - 5)).unwrap();
        assert_eq!((row.expires, row.granted_s), (NOW_S - 5, 0));
    }

    #[test]
    fn what_cannot_be_held_is_skipped_for_a_reason() {
        check_skipped("event", "dialog", "the event package `dialog` is not served here");
        check_skipped("contact", Value::Null, "`contact` is empty");
        check_skipped("contact", "tel:+15550100", "`contact` is no SIP URI");
        check_skipped("local_contact", Value::Null, "`local_contact` is empty");
        check_skipped("callid", "", "`callid` is empty");
        check_skipped("to_tag", "", "`to_tag` is empty");
        check_skipped("from_tag", "a\r\nX: y", "`from_tag` holds what no header may hold");
        check_skipped("event_id", "a b", "`event_id` holds what no header may hold");
        check_skipped("presentity_uri", "sip:pres.example", "`presentity_uri` names nobody");
        check_skipped("record_route", "<sip:a", "`record_route` is no list of routes");
        check_skipped("socket_info", "tls:127.0.0.1:5061", "`socket_info` is of a transport that is not served here");
        check_skipped("expires", Value::Integer(-1), "`expires` is negative");
        check_skipped("local_cseq", Value::Integer(i64::from(u32::MAX)), "`local_cseq` is too large");
        check_skipped("local_cseq", Value::Integer((1 << 31) - 1), "`local_cseq` is too large");
        check_skipped("remote_cseq", Value::Null, "`remote_cseq` is NULL");
        check_skipped("to_user", Value::Null, "`to_user` is empty");
    }
}
