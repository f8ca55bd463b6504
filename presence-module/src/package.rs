//! The event packages this server serves (RFC 6665 §7.2), each with what its own RFC leaves to the package.

/// An event package.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Package {
    /// `presence`, RFC 3856.
    Presence,
}

impl Package {
    /// Every package, in the order Allow-Events lists them.
    pub const ALL: [Self; 1] = [Self::Presence];

    /// The value of Allow-Events (RFC 6665 §8.2.2).
    pub const ALLOW_EVENTS: &str = "presence";

    /// Returns the package named exactly `name`: event types are compared byte by byte (RFC 6665 §8.2.1).
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|package| package.name() == name)
    }

    /// Returns the name in Event headers and `event` columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
        }
    }

    /// Returns the type of its documents, published and notified.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Presence => "application/pidf+xml",
        }
    }

    /// Returns the lifetime of a subscription or publication that asks for none (RFC 3856 §6.4).
    pub fn default_expires_s(self) -> u32 {
        match self {
            Self::Presence => 3600,
        }
    }
}
