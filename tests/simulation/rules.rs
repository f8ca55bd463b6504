//! Privacy rules, and what they come to, read as a person would read RFC 4745 §10 and RFC 5025 §3: all rules that fit,
//! the highest handling, everything that any of them shows.

use tests::rules::{Rule, ruleset};

use crate::chance::Chance;

/// Everybody who watches. Three domains are equally long, and one begins like another.
pub(crate) const WATCHERS: [&str; 6] = [
    "sip:ann@watch.example",
    "sip:bob@watch.example",
    "sip:cat@other.example",
    "sip:dan@watch.examplf",
    "sip:bobby@watch.example",
    "sip:eve@watch.exam",
];

/// Whose rules are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleSet {
    /// Whether there is a document at all.
    pub(crate) is_written: bool,
    rules: Vec<Terms>,
}

/// One rule.
#[derive(Clone, Copy, Debug)]
struct Terms {
    who: Who,
    /// From when until when, wall seconds.
    window: Option<(u64, u64)>,
    handling: Handling,
    shows_services: bool,
    shows_notes: bool,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Anyone,
    Domain(&'static str, Option<&'static str>),
    Everybody,
    One(&'static str),
}

#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
enum Handling {
    #[default]
    Block,
    Confirm,
    PoliteBlock,
    Allow,
}

/// What a watcher gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Allowed { services: bool, notes: bool },
    Blocked,
    Pending,
    PolitelyBlocked,
}

impl RuleSet {
    /// Draws rules, some of which hold only for a while around `wall_s`.
    pub(crate) fn draw(chance: &mut Chance, wall_s: u64) -> Self {
        if chance.permille(150) {
            return Self::default();
        }
        let count = chance.between(1, 3);
        Self { is_written: true, rules: (0..count).map(|_| Terms::draw(chance, wall_s)).collect() }
    }

    /// Writes the document.
    pub(crate) fn document(&self) -> Option<String> {
        let rules: Vec<_> = self.rules.iter().enumerate().map(|(at, terms)| terms.written(at)).collect();
        self.is_written.then(|| ruleset(&rules))
    }

    /// Decides about `watcher`, who is not the presentity, at a moment.
    pub(crate) fn decide(&self, watcher: &str, wall_s: u64, is_open: bool) -> Standing {
        if !self.is_written {
            return if is_open { Standing::Allowed { services: true, notes: true } } else { Standing::Pending };
        }
        let (mut handling, mut services, mut notes) = (Handling::Block, false, false);
        for terms in self.rules.iter().filter(|terms| terms.fits(watcher, wall_s)) {
            handling = handling.max(terms.handling);
            services |= terms.shows_services;
            notes |= terms.shows_notes;
        }
        match handling {
            Handling::Allow => Standing::Allowed { services, notes: services && notes },
            Handling::Block => Standing::Blocked,
            Handling::Confirm => Standing::Pending,
            Handling::PoliteBlock => Standing::PolitelyBlocked,
        }
    }

    /// Returns whether `watcher` may be denied at one time or another.
    pub(crate) fn may_deny(&self, watcher: &str, is_open: bool) -> bool {
        let always =
            Self { rules: self.rules.iter().copied().filter(|terms| terms.window.is_none()).collect(), ..*self };
        matches!(always.decide(watcher, 0, is_open), Standing::Blocked | Standing::Pending)
    }

    /// Returns whether a rule begins or ceases to hold within `around_s` of a moment.
    pub(crate) fn is_about_to_change(&self, wall_s: u64, around_s: u64) -> bool {
        let ends = self.rules.iter().filter_map(|terms| terms.window).flat_map(|(from, until)| [from, until]);
        ends.into_iter().any(|end| end.abs_diff(wall_s) <= around_s)
    }
}

impl Terms {
    fn draw(chance: &mut Chance, wall_s: u64) -> Self {
        let who = match chance.below(6) {
            0 => Who::Anyone,
            1 => Who::Everybody,
            2 | 3 => {
                let excepted = chance.permille(600).then(|| chance.pick(&WATCHERS));
                Who::Domain(chance.pick(&["watch.example", "other.example", "watch.exam"]), excepted)
            }
            _ => Who::One(chance.pick(&WATCHERS)),
        };
        let window = chance.permille(350).then(|| {
            let from = wall_s + chance.below(120) - 60;
            (from, from + chance.between(5, 60))
        });
        let handling = match chance.below(10) {
            0 => Handling::Block,
            1 => Handling::Confirm,
            2 => Handling::PoliteBlock,
            _ => Handling::Allow,
        };
        Self { who, window, handling, shows_services: chance.permille(800), shows_notes: chance.permille(500) }
    }

    fn written(&self, at: usize) -> Rule {
        let rule = Rule::new(&format!("r{at}"));
        let rule = match self.who {
            Who::Anyone => rule,
            Who::Domain(domain, excepted) => rule.many_of(domain, excepted.as_slice()),
            Who::Everybody => rule.many(),
            Who::One(uri) => rule.one(uri),
        };
        let rule = self.window.map_or(rule.clone(), |window| rule.validity(&[window]));
        let rule = rule.handling(match self.handling {
            Handling::Allow => "allow",
            Handling::Block => "block",
            Handling::Confirm => "confirm",
            Handling::PoliteBlock => "polite-block",
        });
        let rule = if self.shows_services { rule.components() } else { rule };
        if self.shows_notes { rule.provide("<pr:provide-all-attributes/>") } else { rule }
    }

    fn fits(&self, watcher: &str, wall_s: u64) -> bool {
        let is_now = self.window.is_none_or(|(from, until)| from <= wall_s && wall_s < until);
        let is_who = match self.who {
            Who::Anyone | Who::Everybody => true,
            Who::Domain(domain, excepted) => {
                watcher.split_once('@').is_some_and(|(_, of)| of == domain) && excepted != Some(watcher)
            }
            Who::One(uri) => uri == watcher,
        };
        is_now && is_who
    }
}
