//! Who watches, as a subscriber to watcher information knows it from the documents it took (RFC 3858 §4).

use std::collections::BTreeMap;

use tests::watcherinfo::WatcherInfo;

/// The table. Documents that were not taken leave gaps, and after a gap all must be told anew.
#[derive(Debug, Default)]
pub(crate) struct Table {
    version: Option<u32>,
    /// Who it is and where it stands, by id.
    watchers: BTreeMap<String, String>,
}

impl Table {
    /// Takes a document in.
    pub(crate) fn apply(&mut self, info: &WatcherInfo) -> Result<(), String> {
        let last = self.version.replace(info.version);
        let follows = last.is_some_and(|last| last + 1 == info.version);
        if last.is_some_and(|last| last >= info.version) {
            return Err(format!("version {} after {last:?}", info.version));
        }
        if info.is_full {
            self.watchers.clear();
        } else if !follows {
            return Err(format!("a partial document of version {} after {last:?}", info.version));
        }
        for entry in info.lists.iter().flat_map(|list| &list.watchers) {
            match entry.status.as_str() {
                "terminated" => drop(self.watchers.remove(&entry.id)),
                status => drop(self.watchers.insert(entry.id.clone(), format!("{} {status}", entry.uri))),
            }
        }
        Ok(())
    }

    /// Returns everybody in it, sorted.
    pub(crate) fn everybody(&self) -> Vec<String> {
        let mut everybody: Vec<_> = self.watchers.values().cloned().collect();
        everybody.sort();
        everybody
    }
}
