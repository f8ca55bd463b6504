//! Rows read back, one column after the other, with nothing believed: other programs write these tables too.
//!
//! What is wrong with a row names the column and never the value, for the values are people's.

use std::fmt;
use std::sync::Arc;

use diesel::SqliteConnection;
use diesel::connection::LoadConnection;
use diesel::row::{Field, Row};
use diesel::sqlite::{SqliteType, SqliteValue};
use smol_str::SmolStr;

use super::statements::{PUBLICATION, SUBSCRIPTION, WATCHER};
use crate::change::{PublicationRow, Status, SubscriptionKey, SubscriptionRow, TransportAddress, WatcherRow};
use crate::presentity_uri::UserAtDomain;
use crate::store::{RulesDocument, Stored};
use crate::watcher;

type SqliteRow<'c, 'q> = <SqliteConnection as LoadConnection>::Row<'c, 'q>;

/// A row, read column by column in the order of `names`.
pub(super) struct Columns<'c, 'q> {
    row: SqliteRow<'c, 'q>,
    names: &'static [&'static str],
    next: usize,
}

/// What is wrong with a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unreadable {
    column: &'static str,
    problem: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.column, self.problem)
    }
}

/// How the rows of one kind are read.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// The columns, in the order they are selected.
    pub(super) columns: &'static [&'static str],
    /// Reads all of them.
    pub(super) read: fn(&mut Columns<'_, '_>) -> Result<Stored, Unreadable>,
}

pub(super) const PUBLICATIONS: Kind = Kind { columns: PUBLICATION, read: publication };
pub(super) const SUBSCRIPTIONS: Kind = Kind { columns: SUBSCRIPTION, read: subscription };
pub(super) const WATCHERS: Kind = Kind { columns: WATCHER, read: watcher };

/// Reads a row of [`PUBLICATION`].
fn publication(columns: &mut Columns<'_, '_>) -> Result<Stored, Unreadable> {
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
fn subscription(columns: &mut Columns<'_, '_>) -> Result<Stored, Unreadable> {
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
fn watcher(columns: &mut Columns<'_, '_>) -> Result<Stored, Unreadable> {
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
pub(super) fn rules_document(columns: &mut Columns<'_, '_>) -> Result<RulesDocument, Unreadable> {
    let UserAtDomain { user, domain } = columns.user_at_domain()?;
    let owner = UserAtDomain::new(user, domain.to_ascii_lowercase());
    let doc_type = columns.number()?;
    // What cannot be read is malformed: to pass it over would open what it closes.
    let document = columns.text_as(|text| Some(text.to_owned()), "is not text").unwrap_or_default();
    Ok(RulesDocument { owner, doc_type, document })
}

impl<'c, 'q> Columns<'c, 'q> {
    pub(super) fn new(row: SqliteRow<'c, 'q>, names: &'static [&'static str]) -> Self {
        Self { row, names, next: 0 }
    }

    /// Reads a text of any length.
    pub(super) fn text(&mut self) -> Result<SmolStr, Unreadable> {
        self.text_as(|text| Some(SmolStr::new(text)), "is not text")
    }

    /// Reads a number that fits `N`.
    pub(super) fn number<N: TryFrom<i64>>(&mut self) -> Result<N, Unreadable> {
        self.value(SqliteType::Long, "is not a number", |value| {
            let number = value.read_long();
            N::try_from(number).map_err(|_| if number < 0 { "is negative" } else { "is too large" })
        })
    }

    /// Reads `LENGTH` bytes.
    pub(super) fn bytes<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Unreadable> {
        self.value(SqliteType::Binary, "is not bytes", |value| {
            value.read_blob().try_into().map_err(|_| "is not of the right length")
        })
    }

    /// Reads the number at a position.
    pub(super) fn number_at(&mut self, position: usize) -> Option<i64> {
        self.next = position;
        self.number().ok()
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

    pub(super) fn user_at_domain(&mut self) -> Result<UserAtDomain, Unreadable> {
        Ok(UserAtDomain { user: self.text()?, domain: self.text()? })
    }

    /// Reads the reason that goes with a status.
    fn status(&mut self, status: &str) -> Result<Status, Unreadable> {
        let known = Unreadable { column: "status", problem: "is no status of a stored row" };
        self.text_as(|reason| Some(Status::from_columns(status, reason)), "is not text")?.ok_or(known)
    }

    fn transport_address(&mut self) -> Result<Option<TransportAddress>, Unreadable> {
        let read = |text: &str| match text {
            "" => Some(None),
            text => TransportAddress::from_column(text).map(Some),
        };
        self.text_as(read, "is no transport address")
    }

    fn text_as<T>(&mut self, read: impl FnOnce(&str) -> Option<T>, problem: &'static str) -> Result<T, Unreadable> {
        self.value(SqliteType::Text, "is not text", |value| {
            // `read_text` mends what is not UTF-8; a row that had to be mended is not the row that was written.
            let may_be_mended = value.read_text().contains(char::REPLACEMENT_CHARACTER);
            if may_be_mended && str::from_utf8(value.read_blob()).is_err() {
                return Err("is not UTF-8");
            }
            read(value.read_text()).ok_or(problem)
        })
    }

    fn value<T>(
        &mut self,
        sql_type: SqliteType,
        other_type: &'static str,
        read: impl FnOnce(&mut SqliteValue<'_, '_, '_>) -> Result<T, &'static str>,
    ) -> Result<T, Unreadable> {
        let position = self.next;
        self.next += 1;
        let column = self.names.get(position).copied().unwrap_or_default();
        let wrong = |problem| Unreadable { column, problem };
        let field = self.row.get(position).ok_or(wrong("is missing"))?;
        let mut value = field.value().ok_or(wrong("is NULL"))?;
        match value.value_type() {
            Some(found) if found == sql_type => read(&mut value).map_err(wrong),
            _ => Err(wrong(other_type)),
        }
    }
}
