//! A dozen small rulesets: as text for the machine, and as data for the model, which decides on its own (RFC 4745 §10,
//! RFC 5025 §3.2.1).

use super::people::OWNER;
use crate::authorization::Rules;
use crate::change::Status;
use crate::document::presence_rules::{Permissions, SubHandling};
use crate::package::Package;
use SubHandling::{Allow, Block, Confirm, PoliteBlock};

/// The second at which every run begins.
pub(super) const BEGIN_S: u64 = 50_000;

/// What of the document is shown, as a set.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Shows(u8);

const SERVICES: Shows = Shows(1);
const AT_WORK: Shows = Shows(2);
const PERSONS: Shows = Shows(4);
const NOTES: Shows = Shows(8);
const EVERYTHING: Shows = Shows(16);

/// Each member of the set as RFC 5025 §3.3 writes it.
const WRITTEN: [(Shows, &str); 5] = [
    (SERVICES, "<pr:provide-services><pr:all-services/></pr:provide-services>"),
    (AT_WORK, "<pr:provide-services><pr:class>work</pr:class></pr:provide-services>"),
    (PERSONS, "<pr:provide-persons><pr:all-persons/></pr:provide-persons>"),
    (NOTES, "<pr:provide-note>true</pr:provide-note>"),
    (
        EVERYTHING,
        "<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/>\
         </pr:provide-persons><pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-all-attributes/>",
    ),
];

impl Shows {
    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn written(self) -> String {
        WRITTEN.iter().filter(|(one, _)| self.0 & one.0 != 0).map(|(_, text)| *text).collect()
    }

    /// Says whether notes may be seen.
    pub(super) fn has_notes(self) -> bool {
        self.0 & (NOTES.0 | EVERYTHING.0) != 0
    }

    pub(super) fn permissions(self) -> Permissions {
        let rule = Rule { who: Who::Anybody, when: When::Always, handling: Allow, shows: self };
        let (rules, _) = Rules::read([ruleset(&[rule]).as_str()]);
        rules.decide(None, None, 0).permissions
    }
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Anybody,
    /// Everybody of whom it is known who they are.
    Authenticated,
    /// Of those, everybody of a domain.
    At(&'static str),
    One(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum When {
    Always,
    Sphere(&'static str),
    /// From one second after the begin until just before another.
    Valid(u64, u64),
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    who: Who,
    when: When,
    handling: SubHandling,
    shows: Shows,
}

const fn rule(who: Who, handling: SubHandling, shows: Shows) -> Rule {
    Rule { who, when: When::Always, handling, shows }
}

impl Rule {
    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}

/// What Dana's documents come to.
#[derive(Clone, Copy, Debug)]
enum Written {
    Absent,
    Malformed,
    Rules(&'static [Rule]),
}

use Who::{Anybody, At, Authenticated, One};
use Written::{Absent, Malformed};

const ELI: Who = One("sip:eli@pres.example");
const NOTHING: Shows = Shows(0);
const NOTED_SERVICES: Shows = SERVICES.and(NOTES);

const RULESETS: [Written; 16] = [
    Absent,
    Malformed,
    Written::Rules(&[]),
    Written::Rules(&[rule(Anybody, Confirm, NOTED_SERVICES)]),
    Written::Rules(&[rule(Anybody, PoliteBlock, NOTED_SERVICES)]),
    Written::Rules(&[rule(Anybody, Allow, EVERYTHING)]),
    Written::Rules(&[rule(Anybody, Allow, SERVICES)]),
    Written::Rules(&[rule(Authenticated, Allow, SERVICES.and(PERSONS)), rule(Anybody, Block, EVERYTHING)]),
    Written::Rules(&[rule(ELI, Allow, NOTED_SERVICES), rule(Anybody, Confirm, NOTHING)]),
    Written::Rules(&[rule(At("pres.example"), Allow, AT_WORK.and(NOTES)), rule(Anybody, PoliteBlock, SERVICES)]),
    Written::Rules(&[
        rule(One("pres:hal@pres.example"), Allow, SERVICES),
        rule(One("sip:gil@other.example"), Allow, EVERYTHING),
        rule(ELI, PoliteBlock, NOTHING),
        rule(Anybody, Confirm, NOTHING),
    ]),
    Written::Rules(&[
        rule(Anybody, Allow, NOTED_SERVICES).when(When::Sphere("work")),
        rule(Anybody, PoliteBlock, NOTHING),
    ]),
    Written::Rules(&[
        rule(Authenticated, Allow, SERVICES).when(When::Sphere("home other")),
        rule(ELI, Confirm, NOTES).when(When::Sphere("work")),
    ]),
    Written::Rules(&[
        rule(Anybody, Allow, NOTES.and(PERSONS)).when(When::Valid(20, 60)),
        rule(Anybody, Allow, SERVICES),
    ]),
    Written::Rules(&[
        rule(Authenticated, Allow, NOTED_SERVICES).when(When::Valid(15, 45)),
        rule(Authenticated, Block, NOTHING).when(When::Valid(30, 100)),
        rule(Anybody, Confirm, NOTHING),
    ]),
    Written::Rules(&[rule(Anybody, Allow, EVERYTHING).when(When::Valid(40, 120))]),
];

pub(super) const COUNT: usize = RULESETS.len();
pub(super) const ASK_ABOUT_ANYBODY: usize = 3;
pub(super) const EVERYTHING_TO_ANYBODY: usize = 5;
pub(super) const NOTES_FOR_A_WHILE: usize = 13;

/// Returns what the machine reads.
pub(super) fn documents(rules: usize) -> Vec<String> {
    match RULESETS[rules] {
        Absent => Vec::new(),
        Malformed => vec!["<cp:ruleset".into()],
        Written::Rules(rules) => vec![ruleset(rules)],
    }
}

/// Where somebody stands, and what they see; `None` if they are denied.
pub(super) type Standing = Option<(Status, Shows)>;

/// Returns where somebody stands with `identity`, empty for none, who subscribes to `package` in the present sphere and
/// second.
pub(super) fn standing(
    (rules, force_active): (usize, bool),
    identity: &str,
    package: Package,
    sphere: Option<&str>,
    now_s: u64,
) -> Standing {
    if identity == OWNER {
        return Some((Status::Active, EVERYTHING));
    }
    let decided = match RULESETS[rules] {
        Absent => Some((if force_active { Status::Active } else { Status::Pending }, EVERYTHING)),
        Malformed => None,
        Written::Rules(rules) => decided(rules, identity, sphere, now_s),
    };
    match (package, decided?) {
        (Package::Presence, decided) => Some(decided),
        (Package::PresenceWinfo, (Status::Active | Status::PoliteBlocked, _)) if !identity.is_empty() => {
            Some((Status::Active, NOTHING))
        }
        _ => None,
    }
}

/// Returns whether anybody has a say in where somebody stands.
pub(super) fn are_asked((rules, force_active): (usize, bool), identity: &str) -> bool {
    identity != OWNER && !(force_active && matches!(RULESETS[rules], Absent))
}

fn decided(rules: &[Rule], identity: &str, sphere: Option<&str>, now_s: u64) -> Standing {
    let (mut handling, mut shows) = (Block, NOTHING);
    for rule in rules.iter().filter(|rule| rule.who.is(identity) && rule.when.is(sphere, now_s)) {
        (handling, shows) = (handling.max(rule.handling), shows.and(rule.shows));
    }
    match handling {
        Block => None,
        Confirm => Some((Status::Pending, shows)),
        PoliteBlock => Some((Status::PoliteBlocked, shows)),
        Allow => Some((Status::Active, shows)),
    }
}

impl Who {
    fn is(self, identity: &str) -> bool {
        match self {
            Anybody => true,
            Authenticated => !identity.is_empty(),
            At(domain) => identity.split('@').nth(1) == Some(domain),
            One(uri) => identity == uri,
        }
    }

    fn written(self) -> String {
        match self {
            Anybody => String::new(),
            Authenticated => "<cp:identity><cp:many/></cp:identity>".into(),
            At(domain) => format!("<cp:identity><cp:many domain='{domain}'/></cp:identity>"),
            One(uri) => format!("<cp:identity><cp:one id='{uri}'/></cp:identity>"),
        }
    }
}

impl When {
    fn is(self, sphere: Option<&str>, now_s: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Sphere(values) => sphere.is_some_and(|sphere| values.split(' ').any(|value| value == sphere)),
            Self::Valid(from, until) => (BEGIN_S + from..BEGIN_S + until).contains(&now_s),
        }
    }

    fn written(self) -> String {
        let at = |second: u64| {
            let of_day = BEGIN_S + second;
            format!("1970-01-01T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
        };
        match self {
            Self::Always => String::new(),
            Self::Sphere(values) => format!("<cp:sphere value='{values}'/>"),
            Self::Valid(from, until) => {
                format!("<cp:validity><cp:from>{}</cp:from><cp:until>{}</cp:until></cp:validity>", at(from), at(until))
            }
        }
    }
}

fn ruleset(rules: &[Rule]) -> String {
    let handling = |handling| match handling {
        Block => "block",
        Confirm => "confirm",
        PoliteBlock => "polite-block",
        Allow => "allow",
    };
    let rules: String = rules
        .iter()
        .map(|rule| {
            format!(
                "<cp:rule id='r'><cp:conditions>{}{}</cp:conditions><cp:actions><pr:sub-handling>{}\
                 </pr:sub-handling></cp:actions><cp:transformations>{}</cp:transformations></cp:rule>",
                rule.who.written(),
                rule.when.written(),
                handling(rule.handling),
                rule.shows.written()
            )
        })
        .collect();
    format!(
        "<cp:ruleset xmlns:cp='urn:ietf:params:xml:ns:common-policy' xmlns:pr='urn:ietf:params:xml:ns:pres-rules'>\
         {rules}</cp:ruleset>"
    )
}
