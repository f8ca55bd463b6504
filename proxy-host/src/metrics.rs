//! Counters and gauges of all modules, by name.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};

use module_api::abi::{Metric, MetricKind};
use parking_lot::RwLock;

/// All metrics there are.
#[derive(Default)]
pub struct Metrics {
    entries: RwLock<Vec<Entry>>,
}

struct Entry {
    name: String,
    value: AtomicI64,
}

impl Metrics {
    /// Registers a metric of `module`; the same name gives the same metric.
    pub fn register(&self, module: &str, _kind: MetricKind, name: &str) -> Metric {
        let name = format!("{module}_{name}");
        let mut entries = self.entries.write();
        let known = entries.iter().position(|entry| entry.name == name);
        let at = known.unwrap_or_else(|| {
            entries.push(Entry { name, value: AtomicI64::new(0) });
            entries.len() - 1
        });
        Metric(at as u32)
    }

    /// Adds to a metric; one that nobody registered is passed over.
    pub fn add(&self, metric: Metric, change: i64) {
        if let Some(entry) = self.entries.read().get(metric.0 as usize) {
            entry.value.fetch_add(change, Ordering::Relaxed);
        }
    }

    /// Returns everything that is not zero, on one line.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for entry in self.entries.read().iter() {
            let value = entry.value.load(Ordering::Relaxed);
            if value != 0 {
                let separator = if out.is_empty() { "" } else { " " };
                write!(out, "{separator}{}={value}", entry.name).expect("writing to a String cannot fail");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_metric_and_only_what_counted_is_shown() {
        let metrics = Metrics::default();
        let first = metrics.register("presence", MetricKind::COUNTER, "publishes_total");
        metrics.register("presence", MetricKind::COUNTER, "silent_total");
        assert_eq!(metrics.register("presence", MetricKind::COUNTER, "publishes_total"), first);
        metrics.add(first, 2);
        metrics.add(Metric(99), 1);
        assert_eq!(metrics.summary(), "presence_publishes_total=2");
    }
}
