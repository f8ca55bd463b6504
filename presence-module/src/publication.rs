//! A PUBLISH as its event state compositor decides it, step by step (RFC 3903 §6).
//!
//! Pure: the steps 2 to 6 for a request that is already taken apart. Steps 0 and 1 belong to `edge/publish.rs`.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::change::{Change, Moment, Now, PublicationRow};
use crate::composition::Source;
use crate::limits::Bound;
use crate::package::Package;
use crate::planted::Planted;
use crate::presentity_uri::{PresentityUri, UserAtDomain};

/// One live publication.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publication {
    /// Its row.
    pub row: PublicationRow,
    /// When it ends.
    pub deadline: Moment,
}

/// A PUBLISH taken apart.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// The package, `None` if missing or unknown.
    pub package: Option<Package>,
    /// What SIP-If-Match says.
    pub condition: Condition,
    /// The requested lifetime.
    pub expires: Option<u32>,
    /// What came as the body.
    pub body: PublishedBody,
    /// The entity-tag this request gets if it succeeds.
    pub entity_tag: SmolStr,
    /// The row id it gets if it creates a publication.
    pub id: u64,
    /// The bound that all presentities together have reached, if any.
    pub no_room: Option<Bound>,
    /// Whose subscriptions are not told of it: who sent it knows already.
    pub sender: Option<Box<UserAtDomain>>,
}

/// What SIP-If-Match says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// There is none.
    Absent,
    /// One entity-tag.
    Matches(SmolStr),
    /// Not exactly one entity-tag.
    Malformed,
}

/// What came as the body; it is judged where step 5 stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PublishedBody {
    /// A valid document of the package.
    Document(Arc<str>),
    /// Not one, and why, for the reason phrase of the answer.
    Malformed(String),
    /// There is none.
    None,
    /// More of a document than is read, and of what there is too much.
    TooLarge(Bound, String),
    /// Of a type the package does not know.
    UnsupportedType,
}

/// The bounds the operator sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublishPolicy {
    /// The longest lifetime granted, seconds.
    pub max_expires_s: u32,
    /// The shortest lifetime that may be asked for, seconds; 0 asks for the end and is never too short.
    pub min_expires_s: u32,
    /// Subtracted from the lifetime that the answer names, so that publishers refresh early; the rest is at least 1.
    pub expires_offset_s: u32,
}

/// What a successful PUBLISH came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// At most one.
    pub change: Option<Change>,
    /// SIP-ETag of the answer.
    pub entity_tag: SmolStr,
    /// Expires of the answer.
    pub expires_s: u32,
    /// The row it brought into being.
    pub created: Option<u64>,
}

/// Why a PUBLISH is refused. Each variant is one response of RFC 3903 §6.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// 489, step 2.
    BadEvent,
    /// 400, step 3b.
    MalformedCondition,
    /// 412, step 3c.
    ConditionalRequestFailed,
    /// 423, step 4c.
    IntervalTooBrief {
        /// Min-Expires of the answer.
        min_expires_s: u32,
    },
    /// 415, step 5a.
    UnsupportedMediaType,
    /// 413 or 400, step 5a: more of a document than is read.
    TooLarge(Bound, String),
    /// 400, step 5a: the type is right, the document is not.
    MalformedBody(String),
    /// 413 or 503: a bound of the operator's.
    NoRoom(Bound),
    /// 400, step 5c: neither a body nor an entity-tag.
    NothingToPublish,
}

/// Decides on a PUBLISH for `presentity` with the live publications `current`.
pub fn on_publish(
    presentity: &Arc<PresentityUri>,
    current: &[Publication],
    request: &PublishRequest,
    policy: PublishPolicy,
    now: Now,
) -> Result<Published, Rejection> {
    let package = request.package.ok_or(Rejection::BadEvent)?;
    let live = |tag: &str| {
        let mine =
            |publication: &&Publication| publication.row.event == package.name() && publication.row.entity_tag == tag;
        current.iter().find(|publication| mine(publication) && publication.deadline > now.mono)
    };
    if let Some(done) = live(&request.entity_tag) {
        return Ok(repeated(done, policy, now));
    }
    let matched = match &request.condition {
        Condition::Absent => None,
        Condition::Malformed => return Err(Rejection::MalformedCondition),
        Condition::Matches(tag) => {
            let any = || current.first().filter(|_| Planted::ForeignTagAccepted.is_here());
            Some(live(tag).or_else(any).ok_or(Rejection::ConditionalRequestFailed)?)
        }
    };
    let requested_s = request.expires.unwrap_or(package.default_expires_s());
    if requested_s > 0 && requested_s < policy.min_expires_s {
        return Err(Rejection::IntervalTooBrief { min_expires_s: policy.min_expires_s });
    }
    let granted_s = requested_s.min(policy.max_expires_s);
    match matched {
        None => initial(presentity, package, request, policy, granted_s, now),
        Some(publication) => continued(publication, request, policy, granted_s, now),
    }
}

/// Answers a request that was executed before a crash as it was answered then.
fn repeated(done: &Publication, policy: PublishPolicy, now: Now) -> Published {
    let left_s = done.deadline.seconds_from(now.mono).min(u64::from(policy.max_expires_s)) as u32;
    let entity_tag = done.row.entity_tag.clone();
    Published { change: None, entity_tag, expires_s: policy.announced(left_s), created: None }
}

fn initial(
    presentity: &Arc<PresentityUri>,
    package: Package,
    request: &PublishRequest,
    policy: PublishPolicy,
    granted_s: u32,
    now: Now,
) -> Result<Published, Rejection> {
    let body = document(&request.body)?.ok_or(Rejection::NothingToPublish)?;
    let entity_tag = request.entity_tag.clone();
    if granted_s == 0 {
        // Nothing is stored as a result of a request that expires at once (step 5e).
        return Ok(Published { change: None, entity_tag, expires_s: 0, created: None });
    }
    let row = PublicationRow {
        id: request.id,
        presentity: presentity.clone(),
        event: SmolStr::new_static(package.name()),
        entity_tag: entity_tag.clone(),
        expires: now.wall_s() + u64::from(granted_s),
        received_at_ms: now.wall_ms,
        body,
    };
    let deadline = now.mono.plus_s(granted_s.into());
    let change = Change::PublicationStored { row, deadline, sender: request.sender.clone() };
    Ok(Published {
        change: Some(change),
        entity_tag,
        expires_s: policy.announced(granted_s),
        created: Some(request.id),
    })
}

fn continued(
    publication: &Publication,
    request: &PublishRequest,
    policy: PublishPolicy,
    granted_s: u32,
    now: Now,
) -> Result<Published, Rejection> {
    let id = publication.row.id;
    let entity_tag = request.entity_tag.clone();
    if granted_s == 0 {
        let change = Some(Change::PublicationRemoved { id });
        return Ok(Published { change, entity_tag, expires_s: 0, created: None });
    }
    let body = document(&request.body)?;
    // A document repeated byte for byte is no news: nobody is notified (RFC 3856 §6.7).
    let body = body.filter(|body| **body != *publication.row.body);
    let change = Change::PublicationContinued {
        id,
        entity_tag: entity_tag.clone(),
        received_at_ms: if body.is_some() { now.wall_ms } else { publication.row.received_at_ms },
        body,
        expires: now.wall_s() + u64::from(granted_s),
        deadline: now.mono.plus_s(granted_s.into()),
        sender: request.sender.clone(),
    };
    Ok(Published { change: Some(change), entity_tag, expires_s: policy.announced(granted_s), created: None })
}

fn document(body: &PublishedBody) -> Result<Option<Arc<str>>, Rejection> {
    match body {
        PublishedBody::Document(document) => Ok(Some(document.clone())),
        PublishedBody::Malformed(reason) => Err(Rejection::MalformedBody(reason.clone())),
        PublishedBody::None => Ok(None),
        PublishedBody::TooLarge(bound, reason) => Err(Rejection::TooLarge(*bound, reason.clone())),
        PublishedBody::UnsupportedType => Err(Rejection::UnsupportedMediaType),
    }
}

impl PublishPolicy {
    /// Returns the lifetime to name in the answer for one of `granted_s`.
    fn announced(self, granted_s: u32) -> u32 {
        granted_s.saturating_sub(self.expires_offset_s).max(granted_s.min(1))
    }
}

impl Publication {
    /// Returns it as what a document is composed of.
    pub fn source(&self) -> Source<'_> {
        let row = &self.row;
        Source { body: row.body.as_bytes(), received_at_ms: row.received_at_ms, number: row.id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono: Moment(1_000_000), wall_ms: 5_000_000 };
    const POLICY: PublishPolicy = PublishPolicy { max_expires_s: 3600, min_expires_s: 0, expires_offset_s: 10 };

    fn stored() -> Vec<Publication> {
        let presentity = Arc::new(PresentityUri::new("dana", "pres.example"));
        let row = |id, event: &str, entity_tag: &str| PublicationRow {
            id,
            presentity: presentity.clone(),
            event: event.into(),
            entity_tag: entity_tag.into(),
            expires: 5060,
            received_at_ms: 4000,
            body: "<old/>".into(),
        };
        let live = NOW.mono.plus_s(60);
        vec![
            Publication { row: row(1, "presence", "live"), deadline: live },
            Publication { row: row(2, "presence", "expired"), deadline: NOW.mono },
            Publication { row: row(3, "dialog", "foreign"), deadline: live },
        ]
    }

    fn request(condition: Condition, expires: Option<u32>, body: PublishedBody) -> PublishRequest {
        let (package, entity_tag) = (Some(Package::Presence), "new".into());
        PublishRequest { package, condition, expires, body, entity_tag, id: 9, no_room: None, sender: None }
    }

    fn check(request: &PublishRequest) -> Result<Published, Rejection> {
        on_publish(&Arc::new(PresentityUri::new("dana", "pres.example")), &stored(), request, POLICY, NOW)
    }

    fn matching(tag: &str) -> Condition {
        Condition::Matches(tag.into())
    }

    fn document() -> PublishedBody {
        PublishedBody::Document("<new/>".into())
    }

    #[test]
    fn s6_2_an_unknown_package_is_489_before_all_else() {
        let mut publish = request(Condition::Malformed, Some(0), PublishedBody::UnsupportedType);
        publish.package = None;
        assert_eq!(check(&publish), Err(Rejection::BadEvent));
    }

    #[test]
    fn s6_3_only_a_live_entity_tag_of_this_package_matches() {
        for tag in ["unknown", "expired", "foreign", "LIVE"] {
            let publish = request(matching(tag), Some(0), PublishedBody::UnsupportedType);
            assert_eq!(check(&publish), Err(Rejection::ConditionalRequestFailed), "{tag}");
        }
        assert_eq!(check(&request(Condition::Malformed, None, document())), Err(Rejection::MalformedCondition));
    }

    #[test]
    fn s6_4_a_lifetime_is_clamped_and_the_answer_names_less() {
        for (asked, told) in [(None, 3590), (Some(100_000), 3590), (Some(60), 50), (Some(10), 1), (Some(3), 1)] {
            assert_eq!(check(&request(Condition::Absent, asked, document())).unwrap().expires_s, told, "{asked:?}");
        }
    }

    #[test]
    fn s6_5_the_body_is_judged_last() {
        let malformed = PublishedBody::Malformed("why".into());
        for (body, rejection) in [
            (PublishedBody::UnsupportedType, Rejection::UnsupportedMediaType),
            (malformed, Rejection::MalformedBody("why".into())),
            (PublishedBody::None, Rejection::NothingToPublish),
        ] {
            assert_eq!(check(&request(Condition::Absent, None, body)), Err(rejection));
        }
    }

    #[test]
    fn s6_5e_expires_0_stores_nothing_and_removes_what_matches() {
        let initial = check(&request(Condition::Absent, Some(0), document())).unwrap();
        assert_eq!((initial.change, initial.expires_s), (None, 0));
        let removal = check(&request(matching("live"), Some(0), PublishedBody::None)).unwrap();
        assert_eq!(removal.change, Some(Change::PublicationRemoved { id: 1 }));
        assert_eq!((removal.expires_s, removal.entity_tag.as_str()), (0, "new"));
    }

    #[test]
    fn s6_6_every_success_has_a_new_entity_tag_and_a_refresh_keeps_the_document() {
        let Change::PublicationContinued { id, entity_tag, body, received_at_ms, .. } =
            check(&request(matching("live"), Some(60), PublishedBody::None)).unwrap().change.unwrap()
        else {
            panic!("a refresh continues the publication")
        };
        assert_eq!((id, entity_tag.as_str(), body, received_at_ms), (1, "new", None, 4000));
    }

    #[test]
    fn a_document_repeated_byte_for_byte_is_no_news() {
        let publish = request(matching("live"), None, PublishedBody::Document("<old/>".into()));
        let change = check(&publish).unwrap().change.unwrap();
        assert!(matches!(change, Change::PublicationContinued { body: None, received_at_ms: 4000, .. }), "{change:?}");
    }

    #[test]
    fn a_request_that_comes_again_after_a_crash_changes_nothing_twice() {
        let mut publish = request(matching("gone"), Some(60), document());
        publish.entity_tag = "live".into();
        let again = check(&publish).unwrap();
        assert_eq!((again.change, again.entity_tag.as_str(), again.expires_s), (None, "live", 50));
    }
}
