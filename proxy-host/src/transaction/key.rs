//! How messages are told to belong together: to a server transaction (RFC 3261 §17.2.3), to a client transaction
//! (§17.1.3), or to another copy of one request (§8.2.2.2).
//!
//! A key is found by a hash that peers cannot foresee and then compared whole. It never exceeds `KEY_BYTES_MAX`:
//! what is longer goes in as its SHA-256.

use module_api::sip::header::HeaderId;
use module_api::sip::message::Message;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::via::{MAGIC_COOKIE, Via};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use std::hash::{DefaultHasher, Hasher};

/// What only this server knows: it makes the hashes of keys unforeseeable.
#[derive(Clone, Copy)]
pub struct KeySecret(pub [u64; 2]);

/// What a request and its retransmissions have in common.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerKey {
    /// Everything but the method, which a CANCEL does not share with its request (§9.2).
    hash: u64,
    bytes: KeyBytes,
    method_at: u8,
}

/// What a request we sent and the responses to it have in common.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientKey {
    hash: u64,
    bytes: KeyBytes,
}

/// A key as a transaction keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredKey {
    bytes: Box<[u8]>,
    method_at: u8,
}

type KeyBytes = SmallVec<[u8; KEY_BYTES_MAX]>;

/// The most bytes of one key.
pub const KEY_BYTES_MAX: usize = 128;
/// The most bytes of a key before the method; a method takes as many as a digest at most.
const PREFIX_BYTES_MAX: usize = KEY_BYTES_MAX - DIGEST_BYTES;
const DIGEST_BYTES: usize = 32;

impl ServerKey {
    /// Returns the key of a request whose top Via is `via`.
    pub fn of(secret: &KeySecret, request: &Message<'_>, via: &Via<'_>) -> Self {
        let mut bytes = KeyBytes::new();
        match via.branch().filter(|branch| branch.len() > MAGIC_COOKIE.len() && branch.starts_with(MAGIC_COOKIE)) {
            Some(branch) => push_branch(&mut bytes, branch, via),
            None => push_rfc2543(&mut bytes, request, via),
        }
        shorten(&mut bytes, 0, PREFIX_BYTES_MAX);
        let (hash, method_at) = (secret.hash(&[&bytes]), bytes.len());
        bytes.extend_from_slice(match request.method_name() {
            b"ACK" => b"INVITE",
            method => method,
        });
        shorten(&mut bytes, method_at, DIGEST_BYTES);
        Self { hash, bytes, method_at: method_at as u8 }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn is(&self, stored: &StoredKey) -> bool {
        *self.bytes == *stored.bytes
    }

    /// Returns whether `stored` is the key of the request that this CANCEL is about: any method but CANCEL and ACK.
    pub(crate) fn cancels(&self, stored: &StoredKey) -> bool {
        let (prefix, method) = stored.bytes.split_at(stored.method_at.into());
        *prefix == self.bytes[..self.method_at.into()] && method != b"CANCEL"
    }

    pub(crate) fn to_stored(&self) -> StoredKey {
        StoredKey { bytes: self.bytes.as_slice().into(), method_at: self.method_at }
    }
}

impl ClientKey {
    /// Returns the key of the transaction with this branch and CSeq method.
    pub fn of(secret: &KeySecret, branch: &[u8], method: &[u8]) -> Self {
        let mut bytes = KeyBytes::new();
        push_field(&mut bytes, branch);
        bytes.extend_from_slice(method);
        shorten(&mut bytes, 0, KEY_BYTES_MAX);
        Self { hash: secret.hash(&[&bytes]), bytes }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn is(&self, stored: &StoredKey) -> bool {
        *self.bytes == *stored.bytes
    }

    pub(crate) fn to_stored(&self) -> StoredKey {
        StoredKey { bytes: self.bytes.as_slice().into(), method_at: 0 }
    }
}

impl KeySecret {
    /// Returns the hash that all copies of one request share whatever way they came, or `None` where the request is
    /// inside a dialog, or lacks what tells it apart.
    pub(crate) fn hash_of_copies(&self, request: &Message<'_>) -> Option<u64> {
        let tag = |id| NameAddr::parse(request.header(id)?).ok()?.tag();
        if tag(HeaderId::TO).is_some() {
            return None;
        }
        let (from_tag, cseq) = (tag(HeaderId::FROM)?, request.cseq()?);
        let number = cseq.number.to_be_bytes();
        Some(self.hash(&[from_tag, request.header(HeaderId::CALL_ID)?, &number, cseq.method_name]))
    }

    fn hash(&self, fields: &[&[u8]]) -> u64 {
        // SipHash after 16 secret bytes is as unforeseeable as SipHash under a secret key, which std does not offer.
        let mut hasher = DefaultHasher::new();
        self.0.iter().for_each(|word| hasher.write_u64(*word));
        for field in fields {
            hasher.write_usize(field.len());
            hasher.write(field);
        }
        hasher.finish()
    }
}

/// Branch and sent-by, host in lower case and port never left out.
fn push_branch(bytes: &mut KeyBytes, branch: &[u8], via: &Via<'_>) {
    bytes.push(BY_BRANCH);
    push_field(bytes, branch);
    bytes.extend(via.host.iter().map(u8::to_ascii_lowercase));
    let default = if via.transport.eq_ignore_ascii_case(b"TLS") { 5061 } else { 5060 };
    bytes.extend_from_slice(&via.port.unwrap_or(default).to_be_bytes());
}

/// What a peer that does not know branches repeats. CSeq goes in by its number: the method is the key's own.
fn push_rfc2543(bytes: &mut KeyBytes, request: &Message<'_>, via: &Via<'_>) {
    bytes.push(BY_FIELDS);
    let value = |id| request.header(id).unwrap_or_default();
    let tag = |id| NameAddr::parse(value(id)).ok().and_then(|it| it.tag()).unwrap_or_default();
    let number = request.cseq().map_or(0, |cseq| cseq.number);
    push_field(bytes, request.request_uri());
    push_field(bytes, tag(HeaderId::TO));
    push_field(bytes, tag(HeaderId::FROM));
    push_field(bytes, value(HeaderId::CALL_ID));
    push_field(bytes, &number.to_be_bytes());
    bytes.extend_from_slice(via.span.of(value(HeaderId::VIA)));
}

/// Appends `field` so that no two rows of fields look the same.
fn push_field(bytes: &mut KeyBytes, field: &[u8]) {
    bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
    bytes.extend_from_slice(field);
}

/// Puts its digest in place of what follows `begin`, where that is more than `bytes_max`.
fn shorten(bytes: &mut KeyBytes, begin: usize, bytes_max: usize) {
    if bytes.len() - begin > bytes_max {
        let digest = Sha256::digest(&bytes[begin..]);
        bytes.truncate(begin);
        bytes.extend_from_slice(&digest);
    }
}

/// First bytes of a key, so that the two kinds never look the same.
const BY_BRANCH: u8 = 1;
const BY_FIELDS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use module_api::sip::message::{HeaderTable, scan};

    const SECRET: KeySecret = KeySecret([1, 2]);

    fn with_key<T>(request: &str, take: impl FnOnce(ServerKey, Option<u64>) -> T) -> T {
        let mut table = HeaderTable::new();
        let message = scan(request.as_bytes(), &mut table).unwrap();
        let via = Via::parse_first(message.header(HeaderId::VIA).unwrap()).unwrap();
        take(ServerKey::of(&SECRET, &message, &via), SECRET.hash_of_copies(&message))
    }

    fn key(request: &str) -> ServerKey {
        with_key(request, |key, _| key)
    }

    fn request(method: &str, via: &str, to: &str) -> String {
        format!(
            "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: <sip:x@y>;tag=f\r\nTo: <sip:a@b>{to}\r\n\
             Call-ID: c\r\nCSeq: 7 {method}\r\nContent-Length: 0\r\n\r\n"
        )
    }

    /// PUBLISHes with these top Vias belong to one transaction, or do not.
    fn check(one: &str, other: &str, same: bool) {
        let (one_key, other_key) = (key(&request("PUBLISH", one, "")), key(&request("PUBLISH", other, "")));
        assert_eq!(one_key.is(&other_key.to_stored()), same, "{one} | {other}");
        assert_eq!(one_key.hash() == other_key.hash(), same, "{one} | {other}");
        assert!(one_key.bytes.len() <= KEY_BYTES_MAX);
    }

    #[test]
    fn branch_and_sent_by_tell_transactions_apart() {
        check("h:5060;branch=z9hG4bKa", "H;rport;branch=z9hG4bKa;received=1.2.3.4", true);
        check("h;branch=z9hG4bKa", "h;branch=z9hG4bKb", false);
        check("h;branch=z9hG4bKa", "h;branch=z9hG4bKA", false);
        check("h;branch=z9hG4bKa", "g;branch=z9hG4bKa", false);
        check("h;branch=z9hG4bKa", "h:5070;branch=z9hG4bKa", false);
        check("bc;branch=z9hG4bKa", "c;branch=z9hG4bKab", false);
    }

    #[test]
    fn long_keys_are_told_apart_by_their_digest() {
        let long = "x".repeat(500);
        check(&format!("h;branch=z9hG4bK{long}"), &format!("h:5060;branch=z9hG4bK{long}"), true);
        check(&format!("h;branch=z9hG4bK{long}"), &format!("h;branch=z9hG4bK{long}x"), false);
    }

    #[test]
    fn without_the_magic_cookie_the_whole_via_and_the_other_fields_count() {
        check("h;branch=1", "h;branch=1", true);
        check("h", "h", true);
        check("h", "h;rport", false);
        check("h;branch=1", "h;branch=2", false);
        check("h;branch=z9hG4bK", "h;branch=z9hG4bK;rport", false);
        let other = request("PUBLISH", "h", "").replace("Call-ID: c", "Call-ID: d");
        assert!(!key(&request("PUBLISH", "h", "")).is(&key(&other).to_stored()));
        let other = request("PUBLISH", "h", "").replace("CSeq: 7", "CSeq: 8");
        assert!(!key(&request("PUBLISH", "h", "")).is(&key(&other).to_stored()));
    }

    #[test]
    fn the_method_counts_and_ack_is_its_invites() {
        let of = |method: &str| key(&request(method, "h;branch=z9hG4bKa", ""));
        assert!(!of("PUBLISH").is(&of("SUBSCRIBE").to_stored()));
        assert!(of("ACK").is(&of("INVITE").to_stored()));
        let long = "M".repeat(300);
        assert!(of(&long).is(&of(&long).to_stored()));
        assert!(!of(&long).is(&of(&format!("{long}M")).to_stored()));
        assert!(of(&long).bytes.len() <= KEY_BYTES_MAX);
    }

    #[test]
    fn a_cancel_finds_its_request_whatever_the_method() {
        for via in ["h;branch=z9hG4bKa", "h"] {
            let of = |method: &str| key(&request(method, via, ""));
            assert_eq!(of("CANCEL").hash(), of("PUBLISH").hash());
            assert!(of("CANCEL").cancels(&of("PUBLISH").to_stored()));
            assert!(!of("CANCEL").cancels(&of("CANCEL").to_stored()));
        }
        let other = key(&request("PUBLISH", "h;branch=z9hG4bKb", ""));
        assert!(!key(&request("CANCEL", "h;branch=z9hG4bKa", "")).cancels(&other.to_stored()));
    }

    #[test]
    fn copies_of_a_request_share_a_hash_unless_it_is_in_a_dialog() {
        let copies = |request: &str| with_key(request, |_, copies| copies);
        let one = copies(&request("PUBLISH", "h;branch=z9hG4bKa", ""));
        assert!(one.is_some());
        assert_eq!(one, copies(&request("PUBLISH", "g;branch=z9hG4bKb", "")));
        assert_ne!(one, copies(&request("SUBSCRIBE", "h;branch=z9hG4bKa", "")));
        assert_eq!(copies(&request("PUBLISH", "h;branch=z9hG4bKa", ";tag=t")), None);
    }

    #[test]
    fn responses_are_told_apart_by_branch_and_method() {
        let of = |branch: &[u8], method: &[u8]| ClientKey::of(&SECRET, branch, method);
        assert!(of(b"z9hG4bKa", b"NOTIFY").is(&of(b"z9hG4bKa", b"NOTIFY").to_stored()));
        assert!(!of(b"z9hG4bKa", b"NOTIFY").is(&of(b"z9hG4bKb", b"NOTIFY").to_stored()));
        assert!(!of(b"z9hG4bKa", b"NOTIFY").is(&of(b"z9hG4bKa", b"NOTIF").to_stored()));
        assert!(!of(b"z9hG4bKaN", b"OTIFY").is(&of(b"z9hG4bKa", b"NOTIFY").to_stored()));
    }
}
