//! A row as named cells, read with nothing believed, and why a row is skipped.
//!
//! Databases and versions differ in what they make of one column: a number may come as text, a text as bytes, and an empty
//! text as NULL. A column that is not there reads as NULL.

use std::borrow::Cow;
use std::fmt;

/// What stands in a cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Bytes, of a text or not.
    Bytes(Vec<u8>),
    /// A whole number.
    Integer(i64),
    /// Nothing.
    Null,
    /// Something else: a fraction, a date.
    Other,
    /// A text.
    Text(String),
}

/// One row of a table that is not ours.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ForeignRow {
    cells: Vec<(Cow<'static, str>, Value)>,
}

/// Why a row is not taken over; says nothing of anybody.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Skipped(Cow<'static, str>);

impl ForeignRow {
    /// Adds what stands in a column, whatever the letter case of its name.
    pub fn push(&mut self, column: impl Into<Cow<'static, str>>, value: Value) {
        self.cells.push((column.into(), value));
    }

    /// Returns a text, empty where there is nothing.
    pub(super) fn text(&self, column: &'static str) -> Result<Cow<'_, str>, Skipped> {
        match self.value(column) {
            Value::Bytes(bytes) => {
                str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Skipped::of(column, "is not UTF-8"))
            }
            Value::Integer(number) => Ok(number.to_string().into()),
            Value::Null => Ok("".into()),
            Value::Other => Err(Skipped::of(column, "is not text")),
            Value::Text(text) => Ok(text.into()),
        }
    }

    /// Returns a text that says something.
    pub(super) fn filled_text(&self, column: &'static str) -> Result<Cow<'_, str>, Skipped> {
        let text = self.text(column)?;
        if text.is_empty() { Err(Skipped::of(column, "is empty")) } else { Ok(text) }
    }

    /// Returns a text that may stand in a header as it is: visible characters only, or nothing.
    pub(super) fn word(&self, column: &'static str) -> Result<Cow<'_, str>, Skipped> {
        let text = self.text(column)?;
        let is_word = text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        if is_word { Ok(text) } else { Err(Skipped::of(column, "holds what no header may hold")) }
    }

    /// Returns a number that fits `N`; nothing is no number.
    pub(super) fn number<N: TryFrom<i64>>(&self, column: &'static str) -> Result<N, Skipped> {
        self.number_if_any(column)?.ok_or_else(|| Skipped::of(column, "is NULL"))
    }

    /// Returns a number that fits `N`, `None` where there is nothing.
    pub(super) fn number_if_any<N: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<N>, Skipped> {
        let number = match self.value(column) {
            Value::Integer(number) => *number,
            Value::Null => return Ok(None),
            Value::Other => return Err(Skipped::of(column, "is not a number")),
            Value::Bytes(_) | Value::Text(_) => {
                let text = self.text(column)?;
                text.trim().parse().map_err(|_| Skipped::of(column, "is not a number"))?
            }
        };
        let misfit = if number < 0 { "is negative" } else { "is too large" };
        N::try_from(number).map(Some).map_err(|_| Skipped::of(column, misfit))
    }

    fn value(&self, column: &str) -> &Value {
        let found = self.cells.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
        found.map_or(&Value::Null, |(_, value)| value)
    }
}

impl Skipped {
    /// Says what is wrong with a column.
    pub(super) fn of(column: &str, problem: &str) -> Self {
        Self(format!("`{column}` {problem}").into())
    }

    /// Says what is wrong with the row.
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
impl ForeignRow {
    /// Reads a row as `sqlite3 -line` shows it, less the cells that show nothing: those are NULL.
    pub(super) fn from_lines(lines: &str) -> Self {
        let cells = lines.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| {
            let value = value.strip_prefix(' ').unwrap_or(value);
            let value = match value.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) if value.is_empty() => Value::Null,
                Err(_) => Value::Text(value.to_owned()),
            };
            (Cow::Owned(name.trim().to_owned()), value)
        });
        Self { cells: cells.collect() }
    }

    /// The same row with another value in one column.
    pub(super) fn with(mut self, column: &'static str, value: Value) -> Self {
        self.cells.retain(|(name, _)| name != column);
        self.push(column, value);
        self
    }
}

#[cfg(test)]
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> ForeignRow {
        ForeignRow::default().with("c", value)
    }

    fn check_text(value: Value, expected: Result<&str, &str>) {
        let row = row(value);
        let text = row.text("c").map_err(|skipped| skipped.to_string());
        assert_eq!(text.as_deref().map_err(String::as_str), expected, "{row:?}");
    }

    fn check_number(value: Value, expected: Result<Option<u32>, &str>) {
        let row = row(value);
        let number = row.number_if_any::<u32>("c").map_err(|skipped| skipped.to_string());
        assert_eq!(number.as_ref().map(|number| *number).map_err(String::as_str), expected, "{row:?}");
    }

    #[test]
    fn a_text_is_read_however_it_comes() {
        check_text("a b".into(), Ok("a b"));
        check_text(Value::Bytes(b"a".to_vec()), Ok("a"));
        check_text(Value::Bytes(vec![0xff]), Err("`c` is not UTF-8"));
        check_text(Value::Integer(-7), Ok("-7"));
        check_text(Value::Null, Ok(""));
        check_text(Value::Other, Err("`c` is not text"));
    }

    #[test]
    fn a_number_is_read_however_it_comes() {
        check_number(Value::Integer(7), Ok(Some(7)));
        check_number("7".into(), Ok(Some(7)));
        check_number(Value::Bytes(b" 7 ".to_vec()), Ok(Some(7)));
        check_number(Value::Null, Ok(None));
        check_number(Value::Integer(-1), Err("`c` is negative"));
        check_number(Value::Integer(1 << 32), Err("`c` is too large"));
        check_number("7a".into(), Err("`c` is not a number"));
        check_number(Value::Other, Err("`c` is not a number"));
    }

    #[test]
    fn a_column_that_is_not_there_is_null_and_letter_case_says_nothing() {
        let row = ForeignRow::default().with("CallID", "x".into());
        assert_eq!(row.text("callid").unwrap(), "x");
        assert_eq!(row.text("other").unwrap(), "");
        assert_eq!(row.number::<u32>("other").unwrap_err().to_string(), "`other` is NULL");
        assert_eq!(row.filled_text("other").unwrap_err().to_string(), "`other` is empty");
    }

    #[test]
    fn nothing_that_would_end_a_header_gets_into_one() {
        for text in ["a\r\nRoute: b", "a b", "a\0", "a\x7f"] {
            assert!(row(text.into()).word("c").is_err(), "{text:?}");
        }
        assert_eq!(row("a@[::1];=\u{e4}".into()).word("c").unwrap(), "a@[::1];=\u{e4}");
    }
}
