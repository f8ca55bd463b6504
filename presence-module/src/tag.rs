//! To-tags and entity-tags: unguessable, and the same again for a request that comes again.
//!
//! Both are 128 bits of HMAC-SHA-256 over what makes a request itself and no other, under a secret kept in the
//! database. A request repeated after a crash therefore finds what it created before, and changes nothing twice.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use smol_str::SmolStr;

use crate::presentity_uri::PresentityUri;

/// What identifies a request on the wire.
#[derive(Clone, Copy, Debug)]
pub struct RequestIdentity<'a> {
    /// Call-ID.
    pub call_id: &'a [u8],
    /// The From tag.
    pub from_tag: &'a [u8],
    /// The CSeq number.
    pub cseq: u32,
    /// The branch of the topmost Via.
    pub branch: &'a [u8],
}

/// The tags minted for one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Minted {
    /// The To-tag of its answer, behind the configured prefix.
    pub to_tag: SmolStr,
    /// The entity-tag, if it is a PUBLISH that succeeds.
    pub entity_tag: SmolStr,
}

/// Mints tags under one secret.
pub struct TagMint {
    keyed: Hmac<Sha256>,
    prefix: String,
}

impl TagMint {
    /// Mints under `secret`; To-tags begin with `prefix` and a dot.
    pub fn new(secret: &[u8; 32], prefix: &str) -> Self {
        let keyed = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { keyed, prefix: prefix.into() }
    }

    /// Returns the tags of a request that concerns `presentity`.
    pub fn mint(&self, request: RequestIdentity<'_>, presentity: &PresentityUri) -> Minted {
        let mut mac = self.keyed.clone();
        let parts = [
            request.call_id,
            request.from_tag,
            request.branch,
            presentity.user.as_bytes(),
            presentity.domain.as_bytes(),
        ];
        for part in parts {
            // The length in front keeps ("ab", "c") and ("a", "bc") apart.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&request.cseq.to_be_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let (to_tag, entity_tag) = digest.split_at(16);
        Minted {
            to_tag: SmolStr::from_iter([self.prefix.as_str(), ".", &token(to_tag)]),
            entity_tag: token(entity_tag),
        }
    }
}

/// Writes 16 bytes as 22 characters that are legal in a token (RFC 4648 §5).
fn token(bytes: &[u8]) -> SmolStr {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = [0_u8; 22];
    let (mut bits, mut held, mut at) = (0_u32, 0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 6 {
            held -= 6;
            out[at] = ALPHABET[(bits >> held & 63) as usize];
            at += 1;
        }
    }
    out[at] = ALPHABET[(bits << (6 - held) & 63) as usize];
    SmolStr::new(std::str::from_utf8(&out).expect("the alphabet is ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(secret: u8, call_id: &[u8], user: &str) -> Minted {
        let request = RequestIdentity { call_id, from_tag: b"f", cseq: 1, branch: b"z9hG4bK1" };
        TagMint::new(&[secret; 32], "a").mint(request, &PresentityUri::new(user, "pres.example"))
    }

    #[test]
    fn the_same_request_gets_the_same_tags_again() {
        assert_eq!(mint(1, b"c", "dana"), mint(1, b"c", "dana"));
    }

    #[test]
    fn another_request_presentity_or_secret_gets_others() {
        let tags = [mint(1, b"c", "dana"), mint(1, b"d", "dana"), mint(1, b"c", "eli"), mint(2, b"c", "dana")];
        for (at, tag) in tags.iter().enumerate() {
            assert!(tags[..at].iter().all(|other| other.entity_tag != tag.entity_tag && other.to_tag != tag.to_tag));
        }
    }

    #[test]
    fn tags_are_tokens_of_128_bits_behind_the_prefix() {
        let minted = mint(1, b"c", "dana");
        assert_eq!(minted.entity_tag.len(), 22);
        assert!(minted.to_tag.starts_with("a."));
        assert!(minted.to_tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    }
}
