//! Header field names as small numbers (RFC 3261 §7.3.1, §20 and the IANA registry of SIP header fields).
//!
//! The numbers cross the module ABI: one that was given out is never given to another name. A name that is not here
//! is `OTHER`, and is found by its spelling.

use std::fmt;

use super::token::is_token;

/// A header field name, compact form and letter case apart.
#[repr(transparent)]
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HeaderId(pub u16);

macro_rules! header_names {
    ($($id:ident = $number:literal, $name:literal;)*) => {
        impl HeaderId {
            $(#[doc = concat!("`", $name, "`")] pub const $id: Self = Self($number);)*
        }
        /// Every known name, at the index of its number.
        const NAMES: &[&str] = {
            let names = &["", $($name),*];
            let mut number = 0;
            $(number += 1; assert!(number == $number, "numbers rise by one");)*
            assert!(number < HeaderSet::CAPACITY, "a set of headers is one bit each");
            names
        };
    };
}

header_names! {
    ACCEPT = 1, "Accept";
    ACCEPT_CONTACT = 2, "Accept-Contact";
    ACCEPT_ENCODING = 3, "Accept-Encoding";
    ACCEPT_LANGUAGE = 4, "Accept-Language";
    ALERT_INFO = 5, "Alert-Info";
    ALLOW = 6, "Allow";
    ALLOW_EVENTS = 7, "Allow-Events";
    AUTHENTICATION_INFO = 8, "Authentication-Info";
    AUTHORIZATION = 9, "Authorization";
    CALL_ID = 10, "Call-ID";
    CALL_INFO = 11, "Call-Info";
    CONTACT = 12, "Contact";
    CONTENT_DISPOSITION = 13, "Content-Disposition";
    CONTENT_ENCODING = 14, "Content-Encoding";
    CONTENT_LANGUAGE = 15, "Content-Language";
    CONTENT_LENGTH = 16, "Content-Length";
    CONTENT_TYPE = 17, "Content-Type";
    CSEQ = 18, "CSeq";
    DATE = 19, "Date";
    ERROR_INFO = 20, "Error-Info";
    EVENT = 21, "Event";
    EXPIRES = 22, "Expires";
    FROM = 23, "From";
    IDENTITY = 24, "Identity";
    IDENTITY_INFO = 25, "Identity-Info";
    IN_REPLY_TO = 26, "In-Reply-To";
    MAX_FORWARDS = 27, "Max-Forwards";
    MIME_VERSION = 28, "MIME-Version";
    MIN_EXPIRES = 29, "Min-Expires";
    MIN_SE = 30, "Min-SE";
    ORGANIZATION = 31, "Organization";
    P_ASSERTED_IDENTITY = 32, "P-Asserted-Identity";
    P_PREFERRED_IDENTITY = 33, "P-Preferred-Identity";
    PATH = 34, "Path";
    PRIORITY = 35, "Priority";
    PRIVACY = 36, "Privacy";
    PROXY_AUTHENTICATE = 37, "Proxy-Authenticate";
    PROXY_AUTHORIZATION = 38, "Proxy-Authorization";
    PROXY_REQUIRE = 39, "Proxy-Require";
    RACK = 40, "RAck";
    REASON = 41, "Reason";
    RECORD_ROUTE = 42, "Record-Route";
    REFER_TO = 43, "Refer-To";
    REFERRED_BY = 44, "Referred-By";
    REJECT_CONTACT = 45, "Reject-Contact";
    REPLACES = 46, "Replaces";
    REPLY_TO = 47, "Reply-To";
    REQUEST_DISPOSITION = 48, "Request-Disposition";
    REQUIRE = 49, "Require";
    RETRY_AFTER = 50, "Retry-After";
    ROUTE = 51, "Route";
    RSEQ = 52, "RSeq";
    SERVER = 53, "Server";
    SERVICE_ROUTE = 54, "Service-Route";
    SESSION_EXPIRES = 55, "Session-Expires";
    SIP_ETAG = 56, "SIP-ETag";
    SIP_IF_MATCH = 57, "SIP-If-Match";
    SUBJECT = 58, "Subject";
    SUBSCRIPTION_STATE = 59, "Subscription-State";
    SUPPORTED = 60, "Supported";
    SUPPRESS_IF_MATCH = 61, "Suppress-If-Match";
    TIMESTAMP = 62, "Timestamp";
    TO = 63, "To";
    UNSUPPORTED = 64, "Unsupported";
    USER_AGENT = 65, "User-Agent";
    VIA = 66, "Via";
    WARNING = 67, "Warning";
    WWW_AUTHENTICATE = 68, "WWW-Authenticate";
}

impl HeaderId {
    /// Any name that has no number here.
    pub const OTHER: Self = Self(0);

    /// Returns the id of `name`, long or compact, in any letter case.
    #[inline]
    pub fn of_name(name: &[u8]) -> Self {
        if is_token(name) { Self::of_token(name) } else { Self::OTHER }
    }

    /// Does the same for a name that is known to be a token.
    #[inline]
    pub(super) fn of_token(name: &[u8]) -> Self {
        match name {
            [] => Self::OTHER,
            [letter] => Self::of_compact(*letter),
            _ => Self::of_long(name),
        }
    }

    /// Returns the name as the standards spell it, or nothing for `OTHER` and for numbers not given out.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    #[inline]
    fn of_long(name: &[u8]) -> Self {
        let key = Key::of(name);
        let mut slot = key.slot();
        loop {
            let (known, id) = &SLOTS[slot];
            if key.equals(known) || *id == Self::OTHER {
                return *id;
            }
            slot = (slot + 1) % SLOT_COUNT;
        }
    }

    fn of_compact(letter: u8) -> Self {
        match letter.to_ascii_lowercase() {
            b'a' => Self::ACCEPT_CONTACT,
            b'b' => Self::REFERRED_BY,
            b'c' => Self::CONTENT_TYPE,
            b'd' => Self::REQUEST_DISPOSITION,
            b'e' => Self::CONTENT_ENCODING,
            b'f' => Self::FROM,
            b'i' => Self::CALL_ID,
            b'j' => Self::REJECT_CONTACT,
            b'k' => Self::SUPPORTED,
            b'l' => Self::CONTENT_LENGTH,
            b'm' => Self::CONTACT,
            b'n' => Self::IDENTITY_INFO,
            b'o' => Self::EVENT,
            b'r' => Self::REFER_TO,
            b's' => Self::SUBJECT,
            b't' => Self::TO,
            b'u' => Self::ALLOW_EVENTS,
            b'v' => Self::VIA,
            b'x' => Self::SESSION_EXPIRES,
            b'y' => Self::IDENTITY,
            _ => Self::OTHER,
        }
    }
}

impl fmt::Debug for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => write!(f, "HeaderId({})", self.0),
            name => f.write_str(name),
        }
    }
}

/// A set of header ids: which ones a message carries, which ones it may carry once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeaderSet(u128);

impl HeaderSet {
    const CAPACITY: u16 = 128;

    /// Those without which no message is one (RFC 3261 §8.1.1; Max-Forwards apart, which older peers leave out).
    pub const MANDATORY: Self =
        Self::of(&[HeaderId::CALL_ID, HeaderId::CSEQ, HeaderId::FROM, HeaderId::TO, HeaderId::VIA]);

    /// Those a message carries at most once, and whose second value would change what it means.
    ///
    /// RFC 3261 §7.3.1 forbids repeating every header that is not a comma list; a second `Subject` or `User-Agent`
    /// is let pass, for it decides nothing.
    pub const SINGLE: Self = Self::of(&[
        HeaderId::CALL_ID,
        HeaderId::CONTENT_DISPOSITION,
        HeaderId::CONTENT_LENGTH,
        HeaderId::CONTENT_TYPE,
        HeaderId::CSEQ,
        HeaderId::EVENT,
        HeaderId::EXPIRES,
        HeaderId::FROM,
        HeaderId::MAX_FORWARDS,
        HeaderId::MIN_EXPIRES,
        HeaderId::RACK,
        HeaderId::REFER_TO,
        HeaderId::RSEQ,
        HeaderId::SESSION_EXPIRES,
        HeaderId::SIP_ETAG,
        HeaderId::SIP_IF_MATCH,
        HeaderId::SUBSCRIPTION_STATE,
        HeaderId::SUPPRESS_IF_MATCH,
        HeaderId::TO,
    ]);

    /// Returns the set of `ids`.
    pub const fn of(ids: &[HeaderId]) -> Self {
        let mut set = Self(0);
        let mut at = 0;
        while at < ids.len() {
            set.insert(ids[at]);
            at += 1;
        }
        set
    }

    /// Adds `id`; `OTHER` and numbers not given out are not members of anything.
    #[inline]
    pub const fn insert(&mut self, id: HeaderId) {
        self.0 |= Self::bit(id);
    }

    /// Returns whether `id` is in it.
    #[inline]
    pub const fn contains(self, id: HeaderId) -> bool {
        self.0 & Self::bit(id) != 0
    }

    /// Returns whether every member of `others` is in it.
    #[inline]
    pub const fn contains_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    #[inline]
    const fn bit(id: HeaderId) -> u128 {
        if id.0 == 0 || id.0 >= Self::CAPACITY { 0 } else { 1 << id.0 }
    }
}

/// A name folded into words, so that comparing two is a few instructions: its first, middle and last eight bytes,
/// letter case apart, and its length.
///
/// Setting bit 5 folds exactly letters, for what may stand in a token: CR, which may not, would pass for `-`.
#[derive(Clone, Copy)]
struct Key {
    first: u64,
    middle: u64,
    last: u64,
    len: u64,
}

impl Key {
    const NONE: Self = Self { first: 0, middle: 0, last: 0, len: 0 };

    #[inline]
    const fn of(name: &[u8]) -> Self {
        let [first, middle, last] = match name.len() {
            0..=3 => [short_word(name), 0, 0],
            4..=7 => [half_word(name, 0), 0, half_word(name, name.len() - 4)],
            8..=16 => [word(name, 0), 0, word(name, name.len() - 8)],
            17..=24 => [word(name, 0), word(name, 8), word(name, name.len() - 8)],
            _ => return Self::NONE,
        };
        Self { first: first | CASE, middle: middle | CASE, last: last | CASE, len: name.len() as u64 }
    }

    /// Compares without a branch between the words.
    #[inline]
    fn equals(&self, other: &Self) -> bool {
        (self.first ^ other.first) | (self.middle ^ other.middle) | (self.last ^ other.last) | (self.len ^ other.len)
            == 0
    }

    #[inline]
    const fn slot(&self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29) ^ self.len).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize % SLOT_COUNT
    }
}

const CASE: u64 = 0x2020_2020_2020_2020;

const fn word(name: &[u8], at: usize) -> u64 {
    match name.split_at(at).1.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => 0,
    }
}

const fn half_word(name: &[u8], at: usize) -> u64 {
    match name.split_at(at).1.first_chunk() {
        Some(bytes) => u32::from_le_bytes(*bytes) as u64,
        None => 0,
    }
}

const fn short_word(name: &[u8]) -> u64 {
    match *name {
        [a, b] => u64::from_le_bytes([a, b, 0, 0, 0, 0, 0, 0]),
        [a, b, c] => u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0]),
        _ => 0,
    }
}

const SLOT_COUNT: usize = 256;

/// Headers by the slot of their name, or in the next free one; `OTHER` ends a search.
static SLOTS: [(Key, HeaderId); SLOT_COUNT] = {
    let mut slots = [(Key::NONE, HeaderId::OTHER); SLOT_COUNT];
    let mut number = 1;
    while number < NAMES.len() {
        let key = Key::of(NAMES[number].as_bytes());
        let mut slot = key.slot();
        while slots[slot].1.0 != 0 {
            slot = (slot + 1) % SLOT_COUNT;
        }
        slots[slot] = (key, HeaderId(number as u16));
        number += 1;
    }
    slots
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: HeaderId) {
        assert_eq!(HeaderId::of_name(name.as_bytes()), expected, "{name}");
    }

    #[test]
    fn every_name_is_found_in_any_case() {
        for (number, name) in NAMES.iter().enumerate().skip(1) {
            let id = HeaderId(number as u16);
            assert_eq!(id.name(), *name);
            check(name, id);
            check(&name.to_ascii_uppercase(), id);
            check(&name.to_ascii_lowercase(), id);
        }
    }

    #[test]
    fn compact_forms_are_those_the_rfcs_define() {
        check("i", HeaderId::CALL_ID);
        check("M", HeaderId::CONTACT);
        check("o", HeaderId::EVENT);
        check("u", HeaderId::ALLOW_EVENTS);
        check("v", HeaderId::VIA);
        for unused in ["g", "h", "p", "q", "w", "z", "1", "-"] {
            check(unused, HeaderId::OTHER);
        }
    }

    #[test]
    fn a_near_miss_is_another_header() {
        for name in ["", "Vi", "Viaa", "Call\rID", "Call_ID", "C-Seq", "Froms", "X-Accept", "\0\0\0"] {
            check(name, HeaderId::OTHER);
        }
        assert_eq!(HeaderId::OTHER.name(), "");
        assert_eq!(HeaderId(u16::MAX).name(), "");
    }

    #[test]
    fn every_compact_letter_has_a_name_of_its_own() {
        let mut seen = HeaderSet::default();
        for id in (b'a'..=b'z').map(HeaderId::of_compact).filter(|id| *id != HeaderId::OTHER) {
            assert!(!seen.contains(id), "{id:?}");
            seen.insert(id);
        }
    }

    #[test]
    fn a_set_holds_only_what_has_a_number() {
        let mut set = HeaderSet::default();
        set.insert(HeaderId::OTHER);
        set.insert(HeaderId(u16::MAX));
        assert_eq!(set, HeaderSet::default());
        set.insert(HeaderId::WWW_AUTHENTICATE);
        assert!(set.contains(HeaderId::WWW_AUTHENTICATE));
        assert!(!set.contains(HeaderId::WARNING));
    }
}
