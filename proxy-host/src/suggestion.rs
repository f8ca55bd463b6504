//! The name an operator probably meant: the nearest of those that exist, by edit distance.
//!
//! Owns the distance and the threshold; what is told with it is `diagnostic.rs`'s.

/// Returns the candidate nearest to `name`, or `None` where none is near enough to be a slip of the keyboard.
pub fn closest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name = name.to_ascii_lowercase();
    if name.chars().count() > NAME_CHARS_MAX {
        return None;
    }
    let length = name.chars().count();
    let distance_max = length.div_ceil(3).min(3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= distance_max)
        .map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Past this a "name" is a mistake of another kind, and the quadratic distance is not worth computing.
const NAME_CHARS_MAX: usize = 64;

/// Returns the optimal string alignment distance: insertions, deletions, substitutions, swapped neighbours.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for row in 1..=left.len() {
        let mut current = vec![row];
        for column in 1..=right.len() {
            let substitution = last[column - 1] + usize::from(left[row - 1] != right[column - 1]);
            let mut best = substitution.min(last[column] + 1).min(current[column - 1] + 1);
            let swapped =
                row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
            if swapped {
                best = best.min(before_last[column - 2] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let known = ["clean_period", "db_url", "expires_offset", "max_expires", "exit"];
        assert_eq!(closest(name, known), expected, "{name}");
    }

    #[test]
    fn a_slip_of_the_keyboard_finds_its_name() {
        check("clean_perod", Some("clean_period"));
        check("claen_period", Some("clean_period"));
        check("CLEAN_PERIOD", Some("clean_period"));
        check("dburl", Some("db_url"));
        check("exti", Some("exit"));
    }

    #[test]
    fn a_name_of_its_own_finds_none() {
        check("to_tag_pref", None);
        check("", None);
        check("ab", None);
        check(&"x".repeat(10_000), None);
    }
}
