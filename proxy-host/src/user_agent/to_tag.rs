//! The To-tag that `sl`, `tm` and modules share: one AVP, and a keyed tag that the same request gets again.
//!
//! RFC 3261 §8.2.7: a stateless server must give the same request the same tag, and §19.3 wants it unguessable: an HMAC
//! over what makes the request itself, under a secret of this process.

use hmac::{Hmac, KeyInit, Mac};
use module_api::sip::header::HeaderId;
use module_api::sip::message::Message;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::via::Via;
use sha2::Sha256;

use crate::script::value::AvpName;

/// The integer AVP used when nobody says otherwise.
pub(crate) const DEFAULT_AVP: i64 = 25;
/// The parameter that names another one, of `sl` and of modules alike.
pub(crate) const PARAMETER: &str = "totag_avpid";

/// Mints To-tags for answers that create nothing.
pub(crate) struct ToTags {
    keyed: Hmac<Sha256>,
    /// The AVP that holds them.
    pub(crate) avp: AvpName,
}

impl ToTags {
    /// Mints under `secret`, for the integer AVP `avp`.
    pub(crate) fn new(secret: &[u8], avp: i32) -> Self {
        let keyed = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { keyed, avp: AvpName::Integer(avp) }
    }

    /// Returns the tag of a request, and of the CANCEL that is about it (RFC 3261 §9.2): 32 hexadecimal digits.
    pub(crate) fn mint(&self, request: &Message<'_>) -> [u8; 32] {
        let from = request.header(HeaderId::FROM).and_then(|value| NameAddr::parse(value).ok());
        let via = request.header(HeaderId::VIA).and_then(|value| Via::parse_first(value).ok());
        let number = request.cseq().map(|cseq| cseq.number.to_be_bytes());
        let parts = [
            request.header(HeaderId::CALL_ID),
            from.and_then(|from| from.tag()),
            number.as_ref().map(<[u8; 4]>::as_slice),
            via.and_then(|via| via.branch()),
        ];
        self.digest(&parts.map(Option::unwrap_or_default))
    }

    /// Returns a tag for the answer to the request of a server transaction, where the request is not at hand. Copies
    /// get it from the transaction.
    pub(crate) fn mint_for(&self, transaction: u64) -> [u8; 32] {
        self.digest(&[&transaction.to_be_bytes()])
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let mut tag = [0; 32];
        for (pair, byte) in tag.chunks_exact_mut(2).zip(digest) {
            pair.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
        }
        tag
    }
}

fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[usize::from(digit)]
}

#[cfg(test)]
mod tests {
    use module_api::sip::message::{HeaderTable, scan};

    use super::*;

    /// The tag of a request with this branch and From-tag, whatever else is in it.
    fn mint(tags: &ToTags, branch: &str, from_tag: &str, other: &str) -> [u8; 32] {
        let text = format!(
            "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch={branch}\r\nFrom: <sip:a@b>;tag={from_tag}\r\n\
             To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n{other}\r\n"
        );
        let mut table = HeaderTable::new();
        tags.mint(&scan(text.as_bytes(), &mut table).unwrap())
    }

    #[test]
    fn a_copy_gets_the_same_tag_and_nothing_else_does() {
        let (tags, others) = (ToTags::new(b"secret", 25), ToTags::new(b"another", 25));
        let tag = mint(&tags, "z9hG4bKa", "f", "");
        assert_eq!(mint(&tags, "z9hG4bKa", "f", "X: copy\r\n"), tag);
        for other in
            [mint(&tags, "z9hG4bKb", "f", ""), mint(&tags, "z9hG4bKa", "g", ""), mint(&others, "z9hG4bKa", "f", "")]
        {
            assert_ne!(other, tag);
        }
        assert_ne!(tags.mint_for(1), tags.mint_for(2));
        assert!(tag.iter().all(u8::is_ascii_hexdigit));
    }
}
