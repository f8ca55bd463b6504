//! Another program that writes into the database: it removes rows, changes documents, and publishes for a device.

use std::sync::Arc;

use presence::change::PublicationRow;

use crate::deadlines::Grant;
use crate::devices::{Device, USERS};
use crate::disk::Disk;
use crate::documents::{document, number_of};
use crate::world::World;

/// Rows of others go down from here: a server begins at 1, and goes on above whatever row it finds at its start.
const ID_LAST: u64 = 1 << 40;

impl Disk {
    /// Returns the number of the state that is in the row with this entity-tag, as far as another program changed it.
    pub(crate) fn meddled_number(&self, entity_tag: &str) -> Option<u64> {
        self.meddled.get(entity_tag).copied().flatten()
    }
}

impl World {
    /// Another program writes.
    pub(crate) fn meddle(&mut self) {
        if !self.configuration.has_another_writer {
            return;
        }
        match self.chance.below(5) {
            0 => self.remove_a_subscription(),
            1 => self.remove_a_publication(),
            2 | 3 => self.write_a_publication(false),
            _ => self.write_a_publication(true),
        }
        self.database.with(|disk| disk.is_meddled_with = true);
    }

    fn remove_a_subscription(&mut self) {
        let keys: Vec<_> = self.database.with(|disk| disk.rows.subscriptions.keys().copied().collect());
        if keys.is_empty() {
            return;
        }
        let key = keys[self.chance.index(keys.len())];
        let Some(row) = self.database.with(|disk| disk.rows.subscriptions.remove(&key)) else { return };
        self.note(|| format!("another program removes the subscription {}", row.call_id));
        if let Some(at) = self.by_call_id.get(row.call_id.as_str()) {
            self.subscriptions[*at].is_doubtful = true;
        }
    }

    fn some_publication(&mut self) -> Option<PublicationRow> {
        let rows: Vec<_> = self.database.with(|disk| disk.rows.publications.values().cloned().collect());
        (!rows.is_empty()).then(|| rows[self.chance.index(rows.len())].clone())
    }

    fn remove_a_publication(&mut self) {
        let Some(row) = self.some_publication() else { return };
        self.note(|| format!("another program removes the publication {}", row.entity_tag));
        // Its device may know it by the entity-tag before, if the answer to what it asked last was lost.
        let number = number_of(&row.body);
        let is_its = |device: &&mut Device| number.is_some_and(|it| device.numbers.contains(&it));
        self.devices.iter_mut().filter(is_its).for_each(|device| device.is_unsure = true);
        self.database.with(|disk| {
            disk.rows.publications.remove(&row.id);
            disk.meddled.insert(row.entity_tag.to_string(), None);
        });
    }

    /// Changes the document of a publication, or publishes another beside it.
    fn write_a_publication(&mut self, is_another: bool) {
        let Some(mut row) = self.some_publication() else { return };
        let number = number_of(&row.body);
        let owner = self.devices.iter().position(|device| number.is_some_and(|it| device.numbers.contains(&it)));
        let Some(owner) = owner else { return };
        let number = self.next_number();
        let (user, device) = (self.devices[owner].user, self.devices[owner].number);
        row.body = Arc::from(document(USERS[user], device, number, &mut self.chance));
        if is_another {
            row.id = ID_LAST - number;
            row.entity_tag = format!("another-{number}").into();
        }
        self.note(|| format!("another program writes s{number} into {}", row.entity_tag));
        let (now, shifts, longest_s) = (self.now_ms(), self.shifts, self.configuration.max_expires_s.into());
        let device = &mut self.devices[owner];
        device.numbers.insert(number);
        device.bounds.push(Grant::new(now, now, longest_s, shifts));
        self.database.with(|disk| {
            disk.meddled.insert(row.entity_tag.to_string(), Some(number));
            disk.rows.publications.insert(row.id, row);
        });
    }
}
