//! What every request handler reads first, and how it answers.

use std::borrow::Cow;
use std::sync::Arc;

use module_api::abi::{CallResult, Request};
use module_api::sip::cseq::CSeq;
use module_api::sip::header::HeaderId;
use module_api::sip::list::List;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::token::{delta_seconds, is_token, trim};
use module_api::sip::uri::{Scheme, Uri};
use module_api::sip::via::Via;
use smol_str::SmolStr;

use super::core::Core;
use super::step::NotNow;
use crate::effect::{Effect, Reply};
use crate::limits::Bound;
use crate::package::Package;
use crate::presentity_uri::{NAME_CHARS_MAX, PresentityUri};
use crate::tag::{Minted, RequestIdentity};

/// Goes with every 503: by then the next commits have been made, or the database is still away.
pub(super) const RETRY_AFTER: &[u8] = b"Retry-After: 2\r\n";

/// Goes with the answer where a bound is reached: what takes the room does so for its lifetime.
const RETRY_AFTER_FULL: &[u8] = b"Retry-After: 60\r\n";

/// The call succeeded, or an answer follows.
const DONE: i32 = 1;
/// Refused and answered.
const REFUSED: i32 = 0;

/// A request whose mandatory headers are sound.
pub(super) struct Incoming<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) call_id: &'a str,
    pub(super) from: NameAddr<'a>,
    pub(super) to: NameAddr<'a>,
    pub(super) cseq: u32,
    branch: &'a [u8],
}

/// An answer that refuses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    /// In words a person understands; empty for the standard phrase.
    pub(super) reason: Cow<'static, str>,
    pub(super) headers: Vec<u8>,
}

impl Refusal {
    pub(super) fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), headers: Vec::new() }
    }

    pub(super) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        self
    }

    /// 489, with what would be understood (RFC 6665 §4.2.1.1).
    pub(super) fn bad_event() -> Self {
        Self::new(489, "").with_header("Allow-Events", Package::ALLOW_EVENTS)
    }

    /// 423, with what would be granted (RFC 3903 §6 step 4, RFC 6665 §4.2.1.1).
    pub(super) fn interval_too_brief(min_expires_s: u32) -> Self {
        Self::new(423, "").with_header("Min-Expires", &min_expires_s.to_string())
    }

    /// 403, 413 or 503: a bound of the operator's is reached. Where that may pass, the answer says when to come again.
    pub(super) fn no_room(bound: Bound) -> Self {
        let (code, reason) = bound.answer();
        let passes = matches!(bound, Bound::DocumentBytes) || code == 503;
        let headers = if passes { RETRY_AFTER_FULL.to_vec() } else { Vec::new() };
        Self { headers, ..Self::new(code, reason) }
    }

    /// 415, with what would be understood (RFC 3261 §8.2.3).
    pub(super) fn unsupported_media_type(package: Package) -> Self {
        Self::new(415, "").with_header("Accept", package.media_type()).with_header("Accept-Encoding", "identity")
    }

    /// Makes it the reply to a transaction.
    pub(super) fn into_reply(self, transaction: u64, to_tag: SmolStr) -> Reply {
        let (code, reason, headers) = (self.code, self.reason.as_ref().into(), self.headers);
        Reply { transaction, code, reason, to_tag, headers, mirror_record_route: false, created: None }
    }
}

impl From<NotNow> for Refusal {
    fn from(not_now: NotNow) -> Self {
        match not_now {
            NotNow::Full | NotNow::Unsettled => Self { headers: RETRY_AFTER.to_vec(), ..Self::new(503, "") },
            NotNow::Panicked => Self::new(500, ""),
        }
    }
}

impl<'a> Incoming<'a> {
    /// Reads the headers that identify a request. What comes in a dialog is refused for the extensions it requires here,
    /// the rest once it is known to be for us: the order of RFC 3261 §8.2.2.
    pub(super) fn read(request: &'a Request<'a>) -> Result<Self, Refusal> {
        let header =
            |id: HeaderId| request.header(id).ok_or_else(|| Refusal::new(400, format!("Missing {}", id.name())));
        let name_addr = |id: HeaderId| {
            NameAddr::parse(header(id)?).map_err(|_| Refusal::new(400, format!("Malformed {}", id.name())))
        };
        let cseq = CSeq::parse(header(HeaderId::CSEQ)?).map_err(|_| Refusal::new(400, "Malformed CSeq"))?;
        let via = Via::parse_first(header(HeaderId::VIA)?).map_err(|_| Refusal::new(400, "Malformed Via"))?;
        let incoming = Self {
            request,
            call_id: text(header(HeaderId::CALL_ID)?, "Call-ID")?,
            from: name_addr(HeaderId::FROM)?,
            to: name_addr(HeaderId::TO)?,
            cseq: cseq.number,
            branch: via.branch().unwrap_or_default(),
        };
        if incoming.to.tag().is_some() {
            incoming.refuse_extensions()?;
        }
        Ok(incoming)
    }

    /// Refuses extensions nobody here knows (RFC 3261 §8.2.2.3).
    fn refuse_extensions(&self) -> Result<(), Refusal> {
        let required = List::of_all(self.request.message().headers(HeaderId::REQUIRE));
        let unsupported: Vec<_> = required.map(String::from_utf8_lossy).collect();
        if unsupported.is_empty() {
            return Ok(());
        }
        if !unsupported.iter().all(|tag| is_token(tag.as_bytes())) {
            return Err(Refusal::new(400, "Malformed Require"));
        }
        Err(Refusal::new(420, "").with_header("Unsupported", &unsupported.join(", ")))
    }

    /// Returns the URI that names the presentity: the current Request-URI (RFC 3903 §6 step 1, RFC 3856 §5), or To as in
    /// 2006.
    pub(super) fn presentity_uri(&self, core: &Core) -> &'a [u8] {
        if core.settings.presentity_in_to { self.to.uri } else { self.request.request_uri() }
    }

    /// Returns the presentity.
    pub(super) fn presentity(&self, core: &Core) -> Result<Arc<PresentityUri>, Refusal> {
        let uri = Uri::parse(self.presentity_uri(core)).map_err(|_| Refusal::new(400, "Malformed Request-URI"))?;
        if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Pres) {
            return Err(Refusal::new(416, ""));
        }
        let not_here = || Refusal::new(404, "");
        let aor = uri.aor().ok_or_else(not_here)?;
        if !core.settings.domains.iter().any(|domain| *domain == aor.host) && !core.host.is_local(&aor.host) {
            return Err(not_here());
        }
        self.refuse_extensions()?;
        let presentity = PresentityUri::new(aor.user, aor.host);
        match presentity.is_storable() {
            true => Ok(Arc::new(presentity)),
            false if presentity.user.chars().count() > NAME_CHARS_MAX => Err(Refusal::new(414, "")),
            // Nobody can be called that here.
            false => Err(not_here()),
        }
    }

    /// Returns who sent the request, empty if nobody knows.
    pub(super) fn identity(&self, core: &Core) -> SmolStr {
        core.settings.identity.of(self.request, &self.from)
    }

    /// Mints the tags of this request.
    pub(super) fn mint(&self, core: &Core, presentity: &PresentityUri) -> Minted {
        let from_tag = self.from.tag().unwrap_or_default();
        let identity =
            RequestIdentity { call_id: self.call_id.as_bytes(), from_tag, cseq: self.cseq, branch: self.branch };
        core.mint.mint(identity, presentity)
    }
}

/// Reads Expires; a malformed value counts as absent (RFC 3261 §20.19).
pub(super) fn requested_expires(request: &Request<'_>) -> Option<u32> {
    delta_seconds(trim(request.header(HeaderId::EXPIRES)?)).ok()
}

/// Reads an argument of the script that names a person: a URI as it stands, or the first of addresses in angle brackets,
/// as a header holds them. `None` where it names nobody.
pub(super) fn uri_of_argument(argument: &[u8]) -> Option<Uri<'_>> {
    let uri = match argument.contains(&b'<') {
        true => NameAddr::parse(List::new(argument).next()?).ok()?.uri,
        false => trim(argument),
    };
    Uri::parse(uri).ok().filter(|uri| matches!(uri.scheme, Scheme::Pres | Scheme::Sip | Scheme::Sips | Scheme::Tel))
}

/// Returns the To-tag that the script has set, if it can be one.
pub(super) fn to_tag_of_script(request: &Request<'_>) -> Option<SmolStr> {
    let tag = request.to_tag().filter(|tag| is_token(tag))?;
    std::str::from_utf8(tag).ok().map(SmolStr::new)
}

/// Reads bytes that will be stored and sent again: UTF-8, on one line.
pub(super) fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Refusal> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(['\r', '\n', '\0']));
    text.ok_or_else(|| Refusal::new(400, format!("{what} is not text")))
}

/// Reads bytes that people read: whatever is not text in them is replaced, and what is past `bytes_max` left out.
pub(super) fn lenient_text(bytes: &[u8], bytes_max: usize) -> SmolStr {
    let text = String::from_utf8_lossy(bytes).replace('\0', "\u{FFFD}");
    text[..text.floor_char_boundary(bytes_max)].into()
}

impl Core {
    /// Ends a call: what was refused before a presentity was asked is answered here.
    pub(super) fn finish(&self, request: &Request<'_>, result: Result<Handled, Refusal>) -> CallResult {
        match result {
            Ok(Handled { to_tag, is_accepted }) => {
                CallResult::new(if is_accepted { DONE } else { REFUSED }).with_to_tag(to_tag.as_bytes())
            }
            Err(refusal) => {
                if refusal.code == 503 {
                    self.metrics.count(self.metrics.overload_rejections);
                }
                let reply = refusal.into_reply(request.transaction(), self.to_tag_of_refusal(request));
                self.act(vec![Effect::Reply(reply)]);
                CallResult::new(REFUSED)
            }
        }
    }
}

impl Core {
    /// Returns the To-tag of a refusal that no presentity has seen: any response but a 100 has one (RFC 3261 §8.2.6.2).
    fn to_tag_of_refusal(&self, request: &Request<'_>) -> SmolStr {
        if let Some(tag) = to_tag_of_script(request) {
            return tag;
        }
        let name_addr = |id| request.header(id).and_then(|value| NameAddr::parse(value).ok());
        let via = request.header(HeaderId::VIA).and_then(|value| Via::parse_first(value).ok());
        let identity = RequestIdentity {
            call_id: request.header(HeaderId::CALL_ID).unwrap_or_default(),
            from_tag: name_addr(HeaderId::FROM).and_then(|from| from.tag()).unwrap_or_default(),
            cseq: request.message().cseq().map_or(0, |cseq| cseq.number),
            branch: via.and_then(|via| via.branch()).unwrap_or_default(),
        };
        self.mint.mint(identity, &PresentityUri::new("", "")).to_tag
    }
}

/// A request that a presentity has decided on.
pub(super) struct Handled {
    /// The To-tag of the answer, empty inside a dialog.
    pub(super) to_tag: SmolStr,
    /// Whether it was accepted; if not, the refusal is on its way.
    pub(super) is_accepted: bool,
}
