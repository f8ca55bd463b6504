//! What an operator can count. The values live in the host; each has a name and one line of help.

use module_api::abi::{Host, Metric, MetricKind};

/// One handle a metric.
pub(super) struct Metrics {
    host: Host,
    pub(super) publishes: Metric,
    pub(super) subscribes: Metric,
    pub(super) notifies: Metric,
    pub(super) notify_failures: Metric,
    pub(super) commits: Metric,
    pub(super) committed_decisions: Metric,
    pub(super) refused_decisions: Metric,
    pub(super) overload_rejections: Metric,
    pub(super) malformed_rules: Metric,
    pub(super) skipped_rows: Metric,
    pub(super) swept_rows: Metric,
    pub(super) found_rows: Metric,
    pub(super) changed_rows: Metric,
    pub(super) gone_rows: Metric,
    pub(super) decision_panics: Metric,
    pub(super) taken_over: Metric,
}

impl Metrics {
    pub(super) fn register(host: &Host) -> Self {
        let counter = |name, help| host.metric(MetricKind::COUNTER, name, help);
        Self {
            host: host.clone(),
            publishes: counter("publishes_total", "PUBLISH requests handled."),
            subscribes: counter("subscribes_total", "SUBSCRIBE requests handled."),
            notifies: counter("notifies_total", "NOTIFY requests sent."),
            notify_failures: counter("notify_failures_total", "NOTIFYs that ended their subscription."),
            commits: counter("commits_total", "Database transactions committed."),
            committed_decisions: counter("committed_decisions_total", "Requests and events made durable."),
            refused_decisions: counter("refused_decisions_total", "Requests and events the database refused."),
            overload_rejections: counter(
                "overload_rejections_total",
                "Requests answered 503 before they were decided.",
            ),
            malformed_rules: counter("malformed_rules_total", "Privacy rules documents that could not be understood."),
            skipped_rows: counter("skipped_rows_total", "Rows that could not be understood."),
            swept_rows: counter("swept_rows_total", "Rows that the sweep compared with memory."),
            found_rows: counter("found_rows_total", "Rows that another program inserted, taken up."),
            changed_rows: counter("changed_rows_total", "Rows that another program changed, taken up."),
            gone_rows: counter("gone_rows_total", "Rows that another program removed; what they held is over."),
            decision_panics: counter("decision_panics_total", "Panics while deciding; the presentity was read back."),
            taken_over: counter(
                "taken_over_total",
                "1 once another server has taken over the database: 503 to everybody.",
            ),
        }
    }

    pub(super) fn count(&self, metric: Metric) {
        self.add(metric, 1);
    }

    pub(super) fn add(&self, metric: Metric, change: usize) {
        self.host.measure(metric, change as i64);
    }
}
