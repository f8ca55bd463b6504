//! Rows read back, one column after the other, with nothing believed: other programs write these tables too.
//!
//! What is wrong with a row names the column and never the value, for the values are people's.

use std::fmt;
use std::sync::Arc;

use smol_str::SmolStr;

use super::statements::{PUBLICATION, SUBSCRIPTION, WATCHER};
use super::value::{Cell, Row};
use crate::change::{PublicationRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress, WatcherRow};
use crate::presentity_uri::UserAtDomain;
use crate::store::{RulesDocument, Stored};
use crate::watcher;

/// A row, read column by column in the order of `names`.
pub(crate) struct Columns<'r> {
    row: &'r dyn Row,
    names: &'r [&'r str],
    next: usize,
}

/// What is wrong with a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable {
    column: String,
    problem: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.column, self.problem)
    }
}

/// How the rows of one table are read.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// The columns, in the order they are selected.
    pub(crate) columns: &'static [&'static str],
    /// Reads all of them.
    pub(crate) read: fn(&mut Columns<'_>) -> Result<Stored, Unreadable>,
}

pub(crate) const PUBLICATIONS: Kind = Kind { columns: PUBLICATION, read: publication };
pub(crate) const SUBSCRIPTIONS: Kind = Kind { columns: SUBSCRIPTION, read: subscription };
pub(crate) const WATCHERS: Kind = Kind { columns: WATCHER, read: watcher };

/// Reads a row of [`PUBLICATION`].
fn publication(columns: &mut Columns<'_>) -> Result<Stored, Unreadable> {
    Ok(Stored::Publication(PublicationRow {
        id: columns.number()?,
        presentity: Arc::new(columns.user_at_domain()?),
        event: columns.filled_text()?,
        entity_tag: columns.filled_text()?,
        expires: columns.number()?,
        received_at_ms: columns.number::<u64>()?.saturating_mul(1000),
        body: columns.text_as(|body| Some(Arc::from(body)), "is not text")?,
    }))
}

/// Reads a row of [`SUBSCRIPTION`].
fn subscription(columns: &mut Columns<'_>) -> Result<Stored, Unreadable> {
    let key = columns.key()?;
    let presentity = Arc::new(columns.user_at_domain()?);
    let watcher = columns.user_at_domain()?;
    let (event, event_id) = (columns.filled_text()?, columns.text()?);
    let (local_tag, remote_tag, call_id) = (columns.filled_text()?, columns.text()?, columns.filled_text()?);
    // `cseq` is for readers of 2006; `remote_cseq` is what counts.
    columns.pass_over();
    let (remote_target, route_set, expires) = (columns.filled_text()?, columns.text()?, columns.number()?);
    let status: SmolStr = columns.text()?;
    let mut row = SubscriptionRow {
        key,
        presentity,
        watcher,
        event,
        event_id,
        call_id,
        local_tag,
        remote_tag,
        remote_target,
        route_set,
        expires,
        status: Status::Pending,
        version: columns.number()?,
        granted_s: columns.number()?,
        presentity_uri: columns.text()?,
        local_uri: columns.text()?,
        remote_uri: columns.text()?,
        identity: columns.text()?,
        accept: columns.text()?,
        local_cseq: columns.number()?,
        remote_cseq: columns.number()?,
        local_contact: columns.text()?,
        received: columns.transport_address()?,
        socket: columns.transport_address()?,
        user_agent: columns.text()?,
        watcher_id: columns.text()?,
        display_name: columns.text()?,
        subscribed_at: columns.number()?,
        instance: SmolStr::default(),
    };
    row.status = columns.status(&status)?;
    row.instance = columns.text()?;
    Ok(Stored::Subscription(Box::new(row)))
}

/// Reads a row of [`WATCHER`].
fn watcher(columns: &mut Columns<'_>) -> Result<Stored, Unreadable> {
    let row = WatcherRow {
        presentity: Arc::new(columns.user_at_domain()?),
        watcher: columns.user_at_domain()?,
        status: columns.text_as(watcher::Status::from_token, "is no status of a watcher")?,
        reason: columns.text()?,
        inserted_time: columns.number()?,
        event: columns.filled_text()?,
        watcher_id: columns.text()?,
        deadline: columns.number()?,
        identity: columns.text()?,
    };
    Ok(Stored::Watcher(row))
}

/// Reads a row of [`RULES_DOCUMENT`](super::statements::RULES_DOCUMENT); the domain as the rest of the server writes it.
pub(crate) fn rules_document(columns: &mut Columns<'_>) -> Result<RulesDocument, Unreadable> {
    let UserAtDomain { user, domain } = columns.user_at_domain()?;
    let owner = UserAtDomain::new(user, domain.to_ascii_lowercase());
    let doc_type = columns.number()?;
    // What cannot be read is malformed: to pass it over would open what it closes.
    let document = columns.text_as(|text| Some(text.to_owned()), "is not text").unwrap_or_default();
    Ok(RulesDocument { owner, doc_type, document })
}

impl<'r> Columns<'r> {
    pub(crate) fn new(row: &'r dyn Row, names: &'r [&'r str]) -> Self {
        Self { row, names, next: 0 }
    }

    /// Reads a text of any length.
    pub(crate) fn text(&mut self) -> Result<SmolStr, Unreadable> {
        self.text_as(|text| Some(SmolStr::new(text)), "is not text")
    }

    /// Reads a number that fits `N`.
    pub(crate) fn number<N: TryFrom<i64>>(&mut self) -> Result<N, Unreadable> {
        self.value(|cell| match cell {
            Cell::Integer(number) => {
                N::try_from(number).map_err(|_| if number < 0 { "is negative" } else { "is too large" })
            }
            _ => Err("is not a number"),
        })
    }

    /// Reads `LENGTH` bytes.
    pub(crate) fn bytes<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Unreadable> {
        self.value(|cell| match cell {
            Cell::Bytes(bytes) => bytes.try_into().map_err(|_| "is not of the right length"),
            _ => Err("is not bytes"),
        })
    }

    /// Reads both halves of a user's name.
    pub(crate) fn user_at_domain(&mut self) -> Result<UserAtDomain, Unreadable> {
        Ok(UserAtDomain { user: self.text()?, domain: self.text()? })
    }

    fn pass_over(&mut self) {
        self.next += 1;
    }

    fn key(&mut self) -> Result<SubscriptionKey, Unreadable> {
        self.bytes().map(SubscriptionKey)
    }

    fn filled_text(&mut self) -> Result<SmolStr, Unreadable> {
        self.text_as(|text| (!text.is_empty()).then(|| SmolStr::new(text)), "is empty")
    }

    /// Reads the reason that goes with a status.
    fn status(&mut self, status: &str) -> Result<Status, Unreadable> {
        let known = || Unreadable { column: "status".into(), problem: "is no status of a stored row" };
        self.text_as(|reason| Some(Status::from_columns(status, reason)), "is not text")?.ok_or_else(known)
    }

    fn transport_address(&mut self) -> Result<Option<TransportAddress>, Unreadable> {
        let read = |text: &str| match text {
            "" => Some(None),
            text => TransportAddress::from_column(text).map(Some),
        };
        self.text_as(read, "is no transport address")
    }

    fn text_as<T>(&mut self, read: impl FnOnce(&str) -> Option<T>, problem: &'static str) -> Result<T, Unreadable> {
        self.value(|cell| match cell {
            Cell::Text(text) => read(text).ok_or(problem),
            Cell::TextOfOtherCharset => Err("is not UTF-8"),
            _ => Err("is not text"),
        })
    }

    fn value<T>(&mut self, read: impl FnOnce(Cell<'_>) -> Result<T, &'static str>) -> Result<T, Unreadable> {
        let position = self.next;
        self.next += 1;
        let (mut read, mut found) = (Some(read), Err("is missing"));
        self.row.cell(position, &mut |cell| {
            found = match (cell, read.take()) {
                (Cell::Null, _) => Err("is NULL"),
                (Cell::Missing, _) | (_, None) => Err("is missing"),
                (cell, Some(read)) => read(cell),
            };
        });
        found.map_err(|problem| Unreadable {
            column: self.names.get(position).copied().unwrap_or_default().to_owned(),
            problem,
        })
    }
}
