//! What watchers see of the document: composed once, filtered once for each set of permissions, and shared.
//!
//! Pure. The composed document is cached until a publication changes; equal permissions are one object.

use std::sync::Arc;

use module_api::abi::Body;

use crate::document::pidf;
use crate::document::presence_rules::Permissions;
use crate::planted::Planted;
use crate::presentity_uri::PresentityUri;
use crate::privacy_filter;

/// The documents of one presentity, by who may see what.
#[derive(Debug, Default)]
pub struct Disclosure {
    /// Every set of permissions somebody has.
    classes: Vec<Arc<Permissions>>,
    /// As composed, by the scheme of `entity`.
    composed: Vec<(EntityScheme, Body)>,
    /// As permissions show it.
    shown: Vec<(EntityScheme, Arc<Permissions>, Body)>,
}

/// The scheme of the presentity's URI in a document: the one the watcher asked with, for a whole subscription.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntityScheme {
    /// `pres:` (RFC 3859)
    Pres,
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
}

impl EntityScheme {
    /// Returns the scheme of the URI that a subscription's watcher asked with.
    pub fn of(presentity_uri: &str) -> Self {
        let has =
            |scheme: &str| presentity_uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        match () {
            () if has("pres:") => Self::Pres,
            () if has("sips:") => Self::Sips,
            () => Self::Sip,
        }
    }

    /// Returns the name of the scheme.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pres => "pres",
            Self::Sip => "sip",
            Self::Sips => "sips",
        }
    }
}

impl Disclosure {
    /// Returns the one object for `permissions`.
    pub fn class(&mut self, permissions: Permissions) -> Arc<Permissions> {
        if let Some(known) = self.classes.iter().find(|known| ***known == permissions) {
            return known.clone();
        }
        let class = Arc::new(permissions);
        self.classes.push(class.clone());
        class
    }

    /// Forgets documents and permissions nobody holds: the publications changed, or the rules did.
    pub fn forget(&mut self) {
        if !Planted::StaleDocument.is_here() || self.shown.len() < 2 {
            self.composed.clear();
            self.shown.clear();
        }
        self.classes.retain(|class| Arc::strong_count(class) > 1);
    }

    /// Returns the document as `permissions` show it; `compose` is asked for all of it once.
    pub fn document(
        &mut self,
        scheme: EntityScheme,
        permissions: &Arc<Permissions>,
        compose: impl FnOnce(EntityScheme) -> Vec<u8>,
    ) -> Body {
        let is_it = |(known, class, _): &&(EntityScheme, Arc<Permissions>, Body)| {
            *known == scheme && Arc::ptr_eq(class, permissions)
        };
        if let Some((_, _, body)) = self.shown.iter().find(is_it) {
            return body.clone();
        }
        let composed = self.composed(scheme, compose);
        let body = match permissions.is_everything() {
            true => composed,
            false => Body::from(privacy_filter::filter(&composed, permissions)),
        };
        self.shown.push((scheme, permissions.clone(), body.clone()));
        body
    }

    fn composed(&mut self, scheme: EntityScheme, compose: impl FnOnce(EntityScheme) -> Vec<u8>) -> Body {
        if let Some((_, body)) = self.composed.iter().find(|(known, _)| *known == scheme) {
            return body.clone();
        }
        let body = Body::from(compose(scheme));
        self.composed.push((scheme, body.clone()));
        body
    }
}

/// Returns what a watcher sees who is blocked without being told: a user nobody publishes for.
pub fn offline(presentity: &PresentityUri, scheme: EntityScheme) -> Body {
    Body::from(pidf::closed_document(&presentity.to_uri(scheme.as_str())))
}
