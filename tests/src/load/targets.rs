//! What is aimed at, beside what was measured: the page says itself where it falls short.

use super::figures::Row;
use super::phases::{HALF, IDLE, MEMORY, REFRESH, Results, START, UNKNOWN_DIALOG, WINDOW, is_crowd};
use super::report::{All, find, works};
use super::subject::Subject;

/// Something aimed at, and what each of the two databases comes to.
pub(super) struct Target {
    what: String,
    aim: Aim,
    unit: &'static str,
    found: [Option<f64>; 2],
}

#[derive(Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// Whose figures are held against the targets.
const HELD: [Subject; 2] = [Subject::Sqlite, Subject::MariaDb];

/// How many times cheaper than Kamailio with its database written through: work without NOTIFYs, and with them.
const CHEAPER: (f64, f64) = (6.0, 9.0);

/// Returns everything aimed at of which something was measured.
pub(super) fn of(all: &All) -> Vec<Target> {
    let mut targets = cheaper(all);
    let each = |find: &dyn Fn(&Results) -> Option<f64>| HELD.map(|subject| find(results(all, subject)?));
    let figure = |what: &'static str| {
        each(&|results| results.figures.iter().find(|figure| figure.what == what).map(|figure| figure.value))
    };
    let mut aim = |what: &str, aim, unit, found| targets.push(Target { what: what.to_owned(), aim, unit, found });
    aim(
        "a SUBSCRIBE of an unknown dialog",
        Aim::AtMost(15.0),
        "µs",
        each(&|results| Some(find(results, UNKNOWN_DIALOG)?.total_cost())),
    );
    aim(
        "PUBLISH to last NOTIFY at half the rate, 99 %",
        Aim::AtMost(10.0),
        "ms",
        each(&|results| Some(f64::from(find(results, HALF)?.seen.notifies.percentile(0.99)) / 1000.0)),
    );
    aim(
        "a refresh over TCP, of one over UDP",
        Aim::AtMost(1.15),
        "×",
        each(&|results| Some(find(results, REFRESH.1)?.total_cost() / find(results, REFRESH.0)?.total_cost())),
    );
    aim("idle with 100 000 subscriptions, of one core", Aim::AtMost(0.2), "%", figure(IDLE));
    aim("a start with 100 000 subscriptions", Aim::AtMost(0.5), "s", figure(START));
    aim("memory a subscription", Aim::AtMost(800.0), "B", figure(MEMORY));
    let grown = |of: fn(&super::phases::Step) -> f64| {
        each(&|results| Some(of(results.steps.last()?) / of(results.steps.first()?)))
    };
    aim(
        "a modification at 1 000 000 subscriptions, of one at 10 000",
        Aim::AtMost(1.2),
        "×",
        grown(|step| step.modify),
    );
    let refresh = "a refresh at 1 000 000 subscriptions, of one at 10 000";
    aim(&format!("{refresh}, in the order they began"), Aim::AtMost(1.2), "×", grown(|step| step.refresh));
    aim(&format!("{refresh}, from all over"), Aim::AtMost(1.2), "×", grown(|step| step.scattered));
    aim("memory a subscription at 1 000 000, of one at 10 000", Aim::AtMost(1.0), "×", grown(|step| step.bytes));
    targets.retain(|target| target.found.iter().any(Option::is_some));
    targets
}

fn results(all: &All, subject: Subject) -> Option<&Results> {
    all.iter().find(|(other, _)| *other == subject).map(|(_, results)| results)
}

fn cheaper(all: &All) -> Vec<Target> {
    let Some(durable) = results(all, Subject::KamailioDurable) else { return Vec::new() };
    let wanted = |row: &Row| (row.window == WINDOW || is_crowd(row)) && row.work != UNKNOWN_DIALOG;
    let target = |work: &'static str| {
        let theirs = find(durable, work)?.total_cost();
        let found = HELD.map(|subject| Some(theirs / find(results(all, subject)?, work)?.total_cost()));
        let is_told = work.contains("NOTIFY") || work.contains("SUBSCRIBE");
        let aim = Aim::AtLeast(if is_told { CHEAPER.1 } else { CHEAPER.0 });
        Some(Target { what: format!("{work}, cheaper than Kamailio durable"), aim, unit: "×", found })
    };
    works(all, wanted).into_iter().filter_map(target).collect()
}

impl Target {
    /// Returns the cells of a table: what, the aim, and what was found; what falls short is set in bold.
    pub(super) fn cells(&self) -> [String; 4] {
        let (bound, sign) = match self.aim {
            Aim::AtLeast(bound) => (bound, "≥"),
            Aim::AtMost(bound) => (bound, "≤"),
        };
        let [first, second] = self.found.map(|found| match found {
            None => "–".to_owned(),
            Some(value) if self.is_met_by(value) => format!("{value:.2} {}", self.unit),
            Some(value) => format!("**{value:.2} {}**", self.unit),
        });
        [self.what.clone(), format!("{sign} {bound} {}", self.unit), first, second]
    }

    fn is_met_by(&self, value: f64) -> bool {
        match self.aim {
            Aim::AtLeast(bound) => value >= bound,
            Aim::AtMost(bound) => value <= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_short_is_set_in_bold() {
        let target = |aim, found| Target { what: "speed".into(), aim, unit: "×", found }.cells();
        assert_eq!(target(Aim::AtLeast(9.0), [Some(9.0), Some(8.99)]), ["speed", "≥ 9 ×", "9.00 ×", "**8.99 ×**"]);
        assert_eq!(target(Aim::AtMost(0.2), [None, Some(0.2)]), ["speed", "≤ 0.2 ×", "–", "0.20 ×"]);
    }
}
