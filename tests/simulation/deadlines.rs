//! When something that was granted may be over, and when it must be, whatever happened to clocks and database since.

/// What happened so far that moves deadlines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shifts {
    /// How far the wall clock was set forward, in all.
    pub(crate) forward_ms: u64,
    /// How far it was set back.
    pub(crate) back_ms: u64,
    /// How long the database was away, or nobody served: what ends then is prolonged.
    pub(crate) away_ms: u64,
}

/// Something granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    /// When it was granted, at the earliest.
    pub(crate) since_ms: u64,
    from_ms: u64,
    until_ms: u64,
    then: Shifts,
}

/// How late an end may be: a tick of the timers, a commit that takes its time, another in front of it.
const GRACE_MS: u64 = 8000;
/// How much earlier than promised it may be: seconds are rounded down.
const ROUNDING_MS: u64 = 2000;

impl Grant {
    /// Notes what was granted for `seconds` at a moment between two.
    pub(crate) fn new(from_ms: u64, until_ms: u64, seconds: u64, then: Shifts) -> Self {
        Self { since_ms: from_ms, from_ms: from_ms + seconds * 1000, until_ms: until_ms + seconds * 1000, then }
    }

    /// Notes that so many seconds from now on were asked for, which may have been granted and lost.
    pub(crate) fn bound(&mut self, now_ms: u64, seconds: u64) {
        self.from_ms = self.from_ms.min(now_ms + seconds * 1000);
    }

    /// Returns whether it cannot be over yet.
    pub(crate) fn is_sure(&self, now_ms: u64, shifts: Shifts) -> bool {
        self.from_ms > now_ms + ROUNDING_MS + (shifts.forward_ms - self.then.forward_ms)
    }

    /// Returns whether it must be over by now.
    pub(crate) fn is_past(&self, now_ms: u64, shifts: Shifts) -> bool {
        let prolonged = shifts.back_ms - self.then.back_ms + shifts.away_ms - self.then.away_ms;
        self.until_ms + prolonged + GRACE_MS < now_ms
    }
}
