//! Rules documents are read, and who changed theirs is found out.

use std::collections::HashSet;
use std::iter::repeat;
use std::sync::Arc;

use super::connection::Connection;
use super::reading::{self, Columns};
use super::rule_owners::RuleOwners;
use super::statement::{Statement, Write};
use super::statements::{RULES_AT_ONCE, RULES_DOCUMENT, Statements};
use super::store::SqlStore;
use super::value::Bind;
use crate::presentity_uri::PresentityUri;
use crate::store::{RulesDocument, StoreError};

impl SqlStore {
    /// Shows the rules documents of `owners`, or of everybody.
    pub(super) fn read_rules(
        &mut self,
        owners: Option<&[Arc<PresentityUri>]>,
        visit: &mut dyn FnMut(RulesDocument),
    ) -> Result<(), StoreError> {
        let Some(owners) = owners else {
            return self.reading(|connection, statements| read_rules(connection, &statements.rules, &[], visit));
        };
        self.look_at_rule_owners()?;
        let asked: Vec<_> = owners.iter().filter(|owner| self.rule_owners.may_have(&owner.user)).collect();
        // All of one user's documents come from one statement.
        self.reading(|connection, statements| {
            asked.chunks(RULES_AT_ONCE).try_for_each(|some| read_rules_of(connection, statements, some, visit))
        })
    }

    /// Takes over whose rules changed, as the triggers wrote it down, and removes what they wrote: some thousand rows at
    /// a time. Returns whether there were any.
    fn take_changed_rules(&mut self) -> Result<bool, StoreError> {
        let (mut seen, mut changed) = (Vec::new(), Vec::new());
        self.with(|connection, statements| {
            connection.query(&statements.changed_rules, &[], &mut |row| {
                let mut columns = Columns::new(row, &["seq", "user", "domain"]);
                seen.extend(columns.number::<i64>());
                let owner = columns.user_at_domain();
                changed.extend(owner.map(|owner| PresentityUri::new(owner.user, owner.domain.to_ascii_lowercase())));
            })?;
            Ok(())
        })?;
        if seen.is_empty() {
            return Ok(false);
        }
        // Before what they wrote is removed: it may be removed, and nobody hears of it.
        changed.iter().for_each(|owner: &PresentityUri| self.rule_owners.note(&owner.user));
        self.changed_rules.extend(changed);
        // Each by its number: what is committed with a lower one meanwhile has not been seen.
        self.owned(|connection, statements| {
            let remove =
                |seq: &i64| Write { statement: &statements.changed_rules_seen, binds: vec![Bind::Integer(*seq)] };
            Ok::<_, StoreError>(connection.write(&seen.iter().map(remove).collect::<Vec<_>>())?)
        })?;
        Ok(true)
    }

    /// Looks whose rules changed since the last look.
    pub(super) fn look_at_changed_rules(&mut self) -> Result<(), StoreError> {
        let version = self.version_of_others()?;
        if version.is_none() || version != self.unchanged {
            while self.take_changed_rules()? {}
            self.unchanged = version;
        }
        Ok(())
    }

    /// Finds out who has rules documents: all of them once, then those whose rules changed.
    fn look_at_rule_owners(&mut self) -> Result<(), StoreError> {
        match self.rule_owners {
            RuleOwners::Unknown => {}
            RuleOwners::Known(_) => return self.look_at_changed_rules(),
            RuleOwners::Many => return Ok(()),
        }
        let mut users = Vec::new();
        self.reading(|connection, statements| {
            connection.query(&statements.rule_owners, &[], &mut |row| {
                users.extend(Columns::new(row, &["user"]).text());
            })?;
            Ok(())
        })?;
        self.rule_owners = RuleOwners::know(users.iter().map(|user| &**user));
        Ok(())
    }

    /// Forgets who has rules documents: somebody may have put the table there anew, without triggers.
    pub(super) fn forget_rule_owners(&mut self) {
        self.rule_owners = RuleOwners::Unknown;
    }
}

/// Reads the rules documents of up to [`RULES_AT_ONCE`] presentities.
fn read_rules_of(
    connection: &mut dyn Connection,
    statements: &Statements,
    owners: &[&Arc<PresentityUri>],
    visit: &mut dyn FnMut(RulesDocument),
) -> Result<(), StoreError> {
    let Some(last) = owners.last() else { return Ok(()) };
    let fits = |(count, _): &&(usize, Statement)| *count >= owners.len();
    let (count, statement) = statements.rules_of.iter().find(fits).expect("as many as there are at once");
    // A place that is left over asks for the last one again.
    let users: Vec<_> = owners.iter().chain(repeat(last)).take(*count).map(|owner| Bind::Text(&owner.user)).collect();
    let asked: HashSet<&PresentityUri> = owners.iter().map(|owner| &***owner).collect();
    read_rules(connection, statement, &users, &mut |document| {
        if asked.contains(&document.owner) {
            visit(document);
        }
    })
}

/// Reads rules documents; one that cannot be read denies, as one that is malformed does.
fn read_rules(
    connection: &mut dyn Connection,
    select: &Statement,
    owner: &[Bind<'_>],
    visit: &mut dyn FnMut(RulesDocument),
) -> Result<(), StoreError> {
    connection.query(select, owner, &mut |row| {
        if let Ok(document) = reading::rules_document(&mut Columns::new(row, RULES_DOCUMENT)) {
            visit(document);
        }
    })?;
    Ok(())
}
