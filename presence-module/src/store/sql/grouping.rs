//! Writes put together by what they do, for databases where a statement costs a round trip and may carry many rows.
//!
//! Two writes may change places where they are about different rows. So what is about a row comes in the order in which it
//! was given, a round each, and in each round the writes of one statement are put together.

use smallvec::SmallVec;

use rustc_hash::FxHashMap;

use super::statement::Write;
use super::value::Bind;

/// The row a write is about: its table and key.
type RowOf<'w> = (&'w str, SmallVec<[&'w Bind<'w>; 1]>);

/// Returns runs of writes, each of one statement and no two about one row, in an order that cannot be told from that of
/// `writes`.
pub(crate) fn grouped<'w>(writes: &'w [Write<'w>]) -> Vec<Vec<&'w Write<'w>>> {
    let mut rounds: Vec<Vec<Vec<&Write<'_>>>> = Vec::new();
    // How many rounds each row has seen, and how many are over for all of them.
    let (mut seen, mut over) = (FxHashMap::<RowOf<'_>, usize>::default(), 0);
    for write in writes {
        let round = match row_of(write) {
            Some(row) => {
                let next = seen.entry(row).or_insert(over);
                *next += 1;
                *next - 1
            }
            // What is about no row we know of comes after all before it, and before all after it.
            None => {
                seen.clear();
                over = rounds.len() + 1;
                rounds.len()
            }
        };
        rounds.resize_with(rounds.len().max(round + 1), Vec::new);
        let is_same = |run: &&mut Vec<&Write<'_>>| std::ptr::eq(run[0].statement, write.statement);
        match rounds[round].iter_mut().find(is_same) {
            Some(run) => run.push(write),
            None => rounds[round].push(vec![write]),
        }
    }
    let mut runs: Vec<_> = rounds.into_iter().flatten().collect();
    // Rows that are neighbours are found and split together, and no two writers wait for each other crosswise.
    runs.iter_mut().for_each(|run| run.sort_by_cached_key(|write| row_of(write)));
    runs
}

fn row_of<'w>(write: &'w Write<'w>) -> Option<RowOf<'w>> {
    let key = write.statement.key()?;
    Some((write.statement.table(), key.iter().filter_map(|place| write.binds.get(*place)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TableNames;
    use crate::store::sql::dialect::Dialect;
    use crate::store::sql::statement::Statement;
    use crate::store::sql::statements::{PUBLICATION, Statements};

    /// Writes each run as the statement's letter and the ids of its rows.
    fn check(script: &str, expected: &[&str]) {
        let statements = Statements::new(Dialect::MySql, &TableNames::default());
        let of = |letter| match letter {
            's' => &statements.publication_stored,
            'r' => &statements.publication_refreshed,
            'd' => &statements.publication_removed,
            'c' => &statements.cseq_reserved,
            _ => &statements.fence,
        };
        let write = |word: &str| {
            let (letter, id) = word.split_at(1);
            let statement: &Statement = of(letter.chars().next().unwrap());
            let id = Bind::Integer(id.parse().unwrap());
            let mut binds = match letter {
                "s" => vec![Bind::Integer(0); PUBLICATION.len()],
                _ => vec![Bind::Integer(0); statement.pieces().len() - 1],
            };
            let place = if letter == "s" { 0 } else { binds.len() - 1 };
            binds[place] = id;
            (letter.to_owned(), Write { statement, binds })
        };
        let script: Vec<_> = script.split(' ').map(write).collect();
        let (letters, writes): (Vec<_>, Vec<_>) = script.into_iter().unzip();
        let letter =
            |write: &Write<'_>| letters[writes.iter().position(|one| std::ptr::eq(one, write)).unwrap()].clone();
        let id = |write: &&Write<'_>| match write.binds.iter().find(|bind| **bind != Bind::Integer(0)) {
            Some(Bind::Integer(id)) => id.to_string(),
            other => panic!("{other:?}"),
        };
        let shown: Vec<String> = grouped(&writes)
            .iter()
            .map(|run| format!("{}{}", letter(run[0]), run.iter().map(id).collect::<Vec<_>>().join(",")))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn writes_about_different_rows_are_put_together() {
        check("s1 r2 s3 c3 r4 c5", &["s1,3", "r2,4", "c3,5"]);
    }

    #[test]
    fn what_is_about_one_row_keeps_its_order() {
        check("s1 r2 r1 s3 r4", &["s1,3", "r2,4", "r1"]);
        check("r1 r1 r1", &["r1", "r1", "r1"]);
        check("r1 d1 r2 d2 r3 d3", &["r1,2,3", "d1,2,3"]);
        check("s1 d1 s1 d2", &["s1", "d2", "d1", "s1"]);
    }

    #[test]
    fn what_is_about_no_known_row_stays_where_it_is() {
        check("r1 f9 r2 f8 r1", &["r1", "f9", "r2", "f8", "r1"]);
    }
}
