//! Domains as rules name them, made comparable (RFC 4745 §7.1.3): percent-decoded, ToASCII for each label, lower case.
//!
//! Of ToASCII (RFC 3490 §4.1) the encoding and the case folding are done, the normalization of Nameprep is not: a label that
//! its author did not write in NFC is nobody's domain.

use module_api::sip::uri::unescape;

/// Returns the one spelling of `domain`; `None` if it can be no domain.
pub fn to_ascii(domain: &str) -> Option<String> {
    let domain = String::from_utf8(unescape(domain.trim_ascii().as_bytes())).ok()?;
    let labels: Option<Vec<String>> = domain.split(is_dot).map(label_to_ascii).collect();
    labels.map(|labels| labels.join(".")).filter(|domain| !domain.is_empty())
}

/// The dots of RFC 3490 §3.1.
fn is_dot(character: char) -> bool {
    matches!(character, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

fn label_to_ascii(label: &str) -> Option<String> {
    let label = label.to_lowercase();
    if label.is_ascii() {
        return Some(label);
    }
    // Longer is none of the DNS, and encoding costs the square of the length.
    (label.chars().count() <= LABEL_MAX).then(|| format!("xn--{}", punycode(&label)))
}

const LABEL_MAX: usize = 63;

/// The encoding of RFC 3492 §6.3. A label's length keeps `delta` far from overflow.
fn punycode(label: &str) -> String {
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let (mut code, mut delta, mut bias) = (INITIAL_N, 0, INITIAL_BIAS);
    let (mut handled, mut is_first) = (label.chars().map(|character| u32::from(character.is_ascii())).sum(), true);
    if handled > 0 {
        out.push('-');
    }
    while let Some(next) = label.chars().map(u32::from).filter(|&character| character >= code).min() {
        delta += (next - code) * (handled + 1);
        code = next;
        for character in label.chars().map(u32::from) {
            if character < code {
                delta += 1;
            } else if character == code {
                push_integer(delta, bias, &mut out);
                handled += 1;
                bias = adapt(delta, handled, is_first);
                (delta, is_first) = (0, false);
            }
        }
        delta += 1;
        code += 1;
    }
    out
}

// The parameters of RFC 3492 §5.
const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;

/// Writes a generalized variable-length integer (RFC 3492 §3.3).
fn push_integer(mut rest: u32, bias: u32, out: &mut String) {
    let mut position = BASE;
    loop {
        let threshold = position.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if rest < threshold {
            out.extend(digit(rest));
            return;
        }
        rest -= threshold;
        out.extend(digit(threshold + rest % (BASE - threshold)));
        rest /= BASE - threshold;
        position += BASE;
    }
}

/// `a` to `z`, then `0` to `9`.
fn digit(value: u32) -> Option<char> {
    char::from_u32(if value < 26 { u32::from('a') + value } else { u32::from('0') + value - 26 })
}

/// The bias adaptation of RFC 3492 §6.1.
fn adapt(delta: u32, handled: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / handled;
    let mut position = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        position += BASE;
    }
    position + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(domain: &str, expected: Option<&str>) {
        assert_eq!(to_ascii(domain).as_deref(), expected, "{domain:?}");
    }

    #[test]
    fn letter_case_and_escapes_make_no_difference() {
        check("Pres.Example", Some("pres.example"));
        check(" pres%2Eexample\n", Some("pres.example"));
        check("[2001:DB8::1]", Some("[2001:db8::1]"));
    }

    #[test]
    fn labels_beyond_ascii_are_encoded_as_the_dns_has_them() {
        check("Bücher.example", Some("xn--bcher-kva.example"));
        check("b%C3%BCcher.example", Some("xn--bcher-kva.example"));
        check("XN--BCHER-KVA.example", Some("xn--bcher-kva.example"));
        check("納豆\u{3002}example", Some("xn--99zt52a.example"));
        check("münchen-öst", Some("xn--mnchen-st-67a3d"));
        // The sign for kelvin is a K.
        check("\u{212a}elvin.example", Some("kelvin.example"));
    }

    #[test]
    fn s7_1_sample_strings_of_rfc_3492() {
        check("ليهمابتكلموشعربي؟", Some("xn--egbpdaj6bu4bxfgehfvwxn"));
        check("他们为什么不说中文", Some("xn--ihqwcrb4cv8a8dqg056pqjye"));
        check("TạisaohọkhôngthểchỉnóitiếngViệt", Some("xn--tisaohkhngthchnitingvit-kjcr8268qyxafd2f1b9g"));
    }

    #[test]
    fn what_can_be_no_domain_is_none() {
        check("", None);
        check(" ", None);
        check("%FF.example", None);
        check(&"ü".repeat(64), None);
    }

    #[test]
    fn the_longest_label_is_encoded_without_overflow() {
        let label = format!("{}\u{10ffff}", "é".repeat(62));
        assert!(to_ascii(&label).is_some_and(|ascii| ascii.starts_with("xn--") && ascii.is_ascii()));
    }

    #[test]
    fn a_label_more_is_another_domain() {
        check(".pres.example", Some(".pres.example"));
        check("pres.example.", Some("pres.example."));
    }
}
