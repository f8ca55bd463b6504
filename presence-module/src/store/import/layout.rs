//! Whose tables these are, told by the columns they have; and which columns are read.
//!
//! Versions of one program differ in columns that nothing depends on. What tells the programs apart is how they name what
//! every subscription has: the module of 2006 has one CSeq, Kamailio writes down From, OpenSIPS does not.

use super::foreign_row::Skipped;

/// The program that wrote a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layout {
    /// Kamailio 5.
    Kamailio,
    /// OpenSIPS 3.
    OpenSips,
    /// The module of 2006, as its documentation has it.
    Seed2006,
}

/// A table that is taken over, by what it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForeignTable {
    /// Subscriptions: `active_watchers`.
    ActiveWatchers,
    /// Publications: `presentity`.
    Presentity,
    /// Authorisation states: `watchers`.
    Watchers,
    /// Rules documents: `xcap`, in 2006 `xcap_xml`.
    Xcap,
}

impl Layout {
    /// Recognises the program that wrote `table` by the columns it has.
    ///
    /// # Errors
    /// It is none of those, or it is ours; says which columns it lacks.
    pub fn of(table: ForeignTable, columns: &[impl AsRef<str>]) -> Result<Self, Skipped> {
        let has = |name: &str| columns.iter().any(|column| column.as_ref().eq_ignore_ascii_case(name));
        if table.columns_of_ours().iter().any(|column| has(column)) {
            return Err(Skipped::because("the table is this server's own"));
        }
        let lacking = |layout: Self| -> Vec<&str> {
            table
                .columns(layout)
                .iter()
                .filter(|column| column.is_needed)
                .map(|column| column.name)
                .filter(|name| !has(name))
                .collect()
        };
        // Kamailio's subscriptions have all that OpenSIPS' have.
        let found =
            [Self::Kamailio, Self::OpenSips, Self::Seed2006].into_iter().find(|layout| lacking(*layout).is_empty());
        found.ok_or_else(|| {
            let lacks =
                [("Kamailio", Self::Kamailio), ("OpenSIPS", Self::OpenSips), ("the module of 2006", Self::Seed2006)]
                    .map(|(name, layout)| format!("{name} it lacks {}", lacking(layout).join(", ")));
            Skipped::because(format!("nobody's table: of {}", lacks.join("; of ")))
        })
    }
}

/// A column that is read.
#[derive(Clone, Copy, Debug)]
pub struct ForeignColumn {
    /// Its name.
    pub name: &'static str,
    /// Whether every version of the program has it.
    pub is_needed: bool,
}

impl ForeignTable {
    /// Every table, in the order they are taken over.
    pub const ALL: [Self; 4] = [Self::Presentity, Self::ActiveWatchers, Self::Watchers, Self::Xcap];

    /// Returns what `layout` calls the table, unless its operator chose another name.
    pub const fn default_name(self, layout: Layout) -> &'static str {
        match (self, layout) {
            (Self::ActiveWatchers, _) => "active_watchers",
            (Self::Presentity, _) => "presentity",
            (Self::Watchers, _) => "watchers",
            (Self::Xcap, Layout::Seed2006) => "xcap_xml",
            (Self::Xcap, _) => "xcap",
        }
    }

    /// Returns the columns that are read where `layout` wrote the table.
    pub const fn columns(self, layout: Layout) -> &'static [ForeignColumn] {
        match (self, layout) {
            (Self::Presentity, _) => PRESENTITY,
            (Self::ActiveWatchers, Layout::Kamailio) => ACTIVE_WATCHERS_KAMAILIO,
            (Self::ActiveWatchers, Layout::OpenSips) => ACTIVE_WATCHERS_OPENSIPS,
            (Self::ActiveWatchers, Layout::Seed2006) => ACTIVE_WATCHERS_2006,
            (Self::Watchers, Layout::Seed2006) => WATCHERS_2006,
            (Self::Watchers, _) => WATCHERS,
            (Self::Xcap, Layout::Seed2006) => XCAP_2006,
            (Self::Xcap, _) => XCAP,
        }
    }

    /// Returns columns that only this server's own table has.
    const fn columns_of_ours(self) -> &'static [&'static str] {
        match self {
            Self::ActiveWatchers => &["granted_s"],
            // Publications are told by the tables beside them.
            Self::Presentity => &[],
            Self::Watchers => &["watcher_id"],
            Self::Xcap => &["modified"],
        }
    }
}

const fn needed(name: &'static str) -> ForeignColumn {
    ForeignColumn { name, is_needed: true }
}

const fn optional(name: &'static str) -> ForeignColumn {
    ForeignColumn { name, is_needed: false }
}

const PRESENTITY: &[ForeignColumn] = &[
    needed("username"),
    needed("domain"),
    needed("event"),
    needed("etag"),
    needed("expires"),
    needed("received_time"),
    needed("body"),
];

const ACTIVE_WATCHERS_KAMAILIO: &[ForeignColumn] = &[
    needed("presentity_uri"),
    needed("watcher_username"),
    needed("watcher_domain"),
    needed("to_user"),
    needed("to_domain"),
    needed("from_user"),
    needed("from_domain"),
    needed("event"),
    needed("event_id"),
    needed("to_tag"),
    needed("from_tag"),
    needed("callid"),
    needed("local_cseq"),
    needed("remote_cseq"),
    needed("contact"),
    needed("record_route"),
    needed("expires"),
    needed("status"),
    optional("reason"),
    needed("version"),
    needed("socket_info"),
    needed("local_contact"),
    optional("user_agent"),
];

const ACTIVE_WATCHERS_OPENSIPS: &[ForeignColumn] = &[
    needed("presentity_uri"),
    needed("watcher_username"),
    needed("watcher_domain"),
    needed("to_user"),
    needed("to_domain"),
    needed("event"),
    needed("event_id"),
    needed("to_tag"),
    needed("from_tag"),
    needed("callid"),
    needed("local_cseq"),
    needed("remote_cseq"),
    needed("contact"),
    needed("record_route"),
    needed("expires"),
    needed("status"),
    optional("reason"),
    needed("version"),
    needed("socket_info"),
    needed("local_contact"),
];

const ACTIVE_WATCHERS_2006: &[ForeignColumn] = &[
    needed("to_user"),
    needed("to_domain"),
    needed("from_user"),
    needed("from_domain"),
    needed("event"),
    needed("event_id"),
    needed("to_tag"),
    needed("from_tag"),
    needed("callid"),
    needed("cseq"),
    needed("contact"),
    needed("record_route"),
    needed("expires"),
    needed("status"),
    needed("version"),
];

const WATCHERS: &[ForeignColumn] = &[
    needed("presentity_uri"),
    needed("watcher_username"),
    needed("watcher_domain"),
    needed("event"),
    needed("status"),
    optional("reason"),
    needed("inserted_time"),
];

const WATCHERS_2006: &[ForeignColumn] = &[
    needed("p_user"),
    needed("p_domain"),
    needed("w_user"),
    needed("w_domain"),
    needed("subs_status"),
    needed("reason"),
    needed("inserted_time"),
];

const XCAP: &[ForeignColumn] =
    &[needed("username"), needed("domain"), needed("doc"), needed("doc_type"), optional("doc_uri")];

const XCAP_2006: &[ForeignColumn] = &[needed("user"), needed("domain"), needed("xcap"), needed("doc_type")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::{TableId, table};

    fn names(table: ForeignTable, layout: Layout) -> Vec<&'static str> {
        table.columns(layout).iter().map(|column| column.name).collect()
    }

    #[test]
    fn who_wrote_the_subscriptions_shows_in_their_columns() {
        for layout in [Layout::Kamailio, Layout::OpenSips, Layout::Seed2006] {
            let columns = names(ForeignTable::ActiveWatchers, layout);
            assert_eq!(Layout::of(ForeignTable::ActiveWatchers, &columns), Ok(layout));
            let other_case: Vec<_> = columns.iter().map(|column| column.to_uppercase()).collect();
            assert_eq!(Layout::of(ForeignTable::ActiveWatchers, &other_case), Ok(layout));
        }
    }

    #[test]
    fn columns_that_some_versions_lack_are_not_asked_for() {
        let lacks = |name: &&str| !["reason", "user_agent"].contains(name);
        let columns: Vec<_> = names(ForeignTable::ActiveWatchers, Layout::Kamailio).into_iter().filter(lacks).collect();
        assert_eq!(Layout::of(ForeignTable::ActiveWatchers, &columns), Ok(Layout::Kamailio));
    }

    #[test]
    fn what_a_table_lacks_is_said() {
        let columns = names(ForeignTable::Xcap, Layout::Kamailio);
        let refused = Layout::of(ForeignTable::Xcap, &columns[1..]).unwrap_err().to_string();
        assert_eq!(
            refused,
            "nobody's table: of Kamailio it lacks username; of OpenSIPS it lacks username; of the module of 2006 it lacks \
             user, xcap"
        );
    }

    #[test]
    fn our_own_tables_are_not_taken_for_somebody_elses() {
        let ours = [
            (ForeignTable::ActiveWatchers, TableId::ActiveWatchers),
            (ForeignTable::Watchers, TableId::Watchers),
            (ForeignTable::Xcap, TableId::XcapXml),
        ];
        for (foreign, id) in ours {
            let columns: Vec<_> = table(id).columns.iter().map(|column| column.name).collect();
            let refused = Layout::of(foreign, &columns).unwrap_err().to_string();
            assert_eq!(refused, "the table is this server's own", "{foreign:?}");
        }
    }
}
