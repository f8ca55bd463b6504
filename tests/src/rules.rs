//! Privacy rules as presentities write them: a ruleset of RFC 4745 with the actions and transformations of RFC 5025.

/// The namespace of RFC 4745.
pub const COMMON_POLICY: &str = "urn:ietf:params:xml:ns:common-policy";
/// The namespace of RFC 5025.
pub const PRES_RULES: &str = "urn:ietf:params:xml:ns:pres-rules";

/// One rule; whatever is not said is not in the document.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    id: String,
    identity: String,
    conditions: String,
    handling: Option<String>,
    transformations: String,
}

impl Rule {
    /// Begins a rule that says nothing.
    pub fn new(id: &str) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Begins a rule that allows and shows everything to whom it fits.
    pub fn allow(id: &str) -> Self {
        Self::new(id).handling("allow").everything()
    }

    /// Fits one watcher.
    #[must_use]
    pub fn one(self, uri: &str) -> Self {
        self.identity(&format!("<cp:one id=\"{uri}\"/>"))
    }

    /// Fits every authenticated watcher.
    #[must_use]
    pub fn many(self) -> Self {
        self.identity("<cp:many/>")
    }

    /// Fits every authenticated watcher of a domain, but for the `excepted`.
    #[must_use]
    pub fn many_of(self, domain: &str, excepted: &[&str]) -> Self {
        let excepted: String = excepted.iter().map(|uri| format!("<cp:except id=\"{uri}\"/>")).collect();
        self.identity(&format!("<cp:many domain=\"{domain}\">{excepted}</cp:many>"))
    }

    /// Adds a child of `identity`, as it is written; the children are alternatives.
    #[must_use]
    pub fn identity(mut self, child: &str) -> Self {
        self.identity.push_str(child);
        self
    }

    /// Adds a condition, as it is written; all must hold.
    #[must_use]
    pub fn condition(mut self, condition: &str) -> Self {
        self.conditions.push_str(condition);
        self
    }

    /// Fits while the presentity is in one of these spheres.
    #[must_use]
    pub fn sphere(self, value: &str) -> Self {
        self.condition(&format!("<cp:sphere value=\"{value}\"/>"))
    }

    /// Fits during each of these intervals, in seconds since 1970.
    #[must_use]
    pub fn validity(self, intervals: &[(u64, u64)]) -> Self {
        let pair = |(from, until): &(u64, u64)| {
            format!("<cp:from>{}</cp:from><cp:until>{}</cp:until>", date_time(*from), date_time(*until))
        };
        let pairs: String = intervals.iter().map(pair).collect();
        self.condition(&format!("<cp:validity>{pairs}</cp:validity>"))
    }

    /// Says what becomes of the subscription: `block`, `confirm`, `polite-block` or `allow`.
    #[must_use]
    pub fn handling(mut self, word: &str) -> Self {
        self.handling = Some(word.into());
        self
    }

    /// Adds a transformation, as it is written.
    #[must_use]
    pub fn provide(mut self, transformation: &str) -> Self {
        self.transformations.push_str(transformation);
        self
    }

    /// Shows all tuples, persons and devices, without their attributes.
    #[must_use]
    pub fn components(self) -> Self {
        self.provide("<pr:provide-services><pr:all-services/></pr:provide-services>")
            .provide("<pr:provide-persons><pr:all-persons/></pr:provide-persons>")
            .provide("<pr:provide-devices><pr:all-devices/></pr:provide-devices>")
    }

    /// Shows everything.
    #[must_use]
    pub fn everything(self) -> Self {
        self.components().provide("<pr:provide-all-attributes/>")
    }

    fn write(&self, out: &mut String) {
        let identity = element("identity", &self.identity);
        let conditions = element("conditions", &format!("{identity}{}", self.conditions));
        let handling = self.handling.as_ref();
        let actions = handling.map(|word| format!("<pr:sub-handling>{word}</pr:sub-handling>")).unwrap_or_default();
        let actions = element("actions", &actions);
        let transformations = element("transformations", &self.transformations);
        let id = &self.id;
        out.push_str(&format!("  <cp:rule id=\"{id}\">{conditions}{actions}{transformations}</cp:rule>\n"));
    }
}

/// Writes a rules document.
pub fn ruleset(rules: &[Rule]) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<cp:ruleset xmlns:cp=\"{COMMON_POLICY}\" xmlns:pr=\"{PRES_RULES}\">\n"
    );
    rules.iter().for_each(|rule| rule.write(&mut out));
    out + "</cp:ruleset>\n"
}

fn element(name: &str, content: &str) -> String {
    if content.is_empty() { String::new() } else { format!("<cp:{name}>{content}</cp:{name}>") }
}

/// Writes a moment as RFC 3339 does.
fn date_time(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since the first of March of year 0, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", era * 400 + year)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Element;

    #[test]
    fn a_rule_is_written_in_the_order_of_the_schema() {
        let rule = Rule::allow("a").one("sip:ann@b").sphere("work").validity(&[(0, 86_400)]);
        let root = Element::read(ruleset(&[rule, Rule::new("b")]).as_bytes()).unwrap();
        assert!(root.is(COMMON_POLICY, "ruleset") && root.children.len() == 2);
        assert_eq!(root.children[0].child_names(), ["conditions", "actions", "transformations"]);
        assert_eq!(root.children[0].children[0].child_names(), ["identity", "sphere", "validity"]);
        assert!(root.children[1].children.is_empty());
    }

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        let check = |seconds, expected| assert_eq!(date_time(seconds), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(951_868_800, "2000-03-01T00:00:00Z");
        check(1_767_225_599, "2025-12-31T23:59:59Z");
    }
}
