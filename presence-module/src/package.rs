//! The event packages this server serves (RFC 6665 §7.2), each with what its own RFC leaves to the package.

/// An event package.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Package {
    /// `presence`, RFC 3856.
    Presence,
    /// `presence.winfo`: who watches a presentity, RFC 3857.
    PresenceWinfo,
    /// `presence.winfo.winfo`: who watches who watches; deeper it does not go (RFC 3857 §4.6).
    PresenceWinfoWinfo,
}

impl Package {
    /// Every package.
    pub const ALL: [Self; 3] = [Self::Presence, Self::PresenceWinfo, Self::PresenceWinfoWinfo];

    /// The value of Allow-Events: packages without their templates (RFC 6665 §4.4.4, §8.2.2).
    pub const ALLOW_EVENTS: &str = "presence";

    /// Returns the package named exactly `name`: event types are compared byte by byte (RFC 6665 §8.2.1).
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|package| package.name() == name)
    }

    /// Returns the name in Event headers and `event` columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::PresenceWinfo => "presence.winfo",
            Self::PresenceWinfoWinfo => "presence.winfo.winfo",
        }
    }

    /// Returns the type of its documents, published and notified.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Presence => "application/pidf+xml",
            Self::PresenceWinfo | Self::PresenceWinfoWinfo => "application/watcherinfo+xml",
        }
    }

    /// Returns whether its state is published (RFC 3903); else it comes about by itself.
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Presence)
    }

    /// Returns the package whose watchers it tells of, `None` if it tells of something else.
    pub const fn watched(self) -> Option<Self> {
        match self {
            Self::Presence => None,
            Self::PresenceWinfo => Some(Self::Presence),
            Self::PresenceWinfoWinfo => Some(Self::PresenceWinfo),
        }
    }

    /// Returns the package that tells of its watchers, `None` where that is refused.
    pub const fn winfo(self) -> Option<Self> {
        match self {
            Self::Presence => Some(Self::PresenceWinfo),
            Self::PresenceWinfo => Some(Self::PresenceWinfoWinfo),
            Self::PresenceWinfoWinfo => None,
        }
    }

    /// Returns the lifetime of a subscription or publication that asks for none (RFC 3856 §6.4, RFC 3857 §4.4).
    pub fn default_expires_s(self) -> u32 {
        3600
    }
}
