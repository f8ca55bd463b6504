//! How much the host takes from others: every bound, its setting, its default and its range.
//!
//! A table; `config.rs` reads the settings, `docs/script.md` describes them, and a test keeps the two in step.

/// All bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of a message.
    pub message_bytes_max: usize,
    /// Bytes of a body.
    pub body_bytes_max: usize,
    /// Header lines of a message.
    pub headers_max: usize,
    /// Bytes of a header value.
    pub header_bytes_max: usize,
    /// Transactions of both kinds, completed ones included.
    pub transactions_max: usize,
    /// Requests that modules are at work on at a time, shared between the sources.
    pub in_service_max: usize,
    /// Datagrams of one source that wait in a worker.
    pub backlog_max: usize,
    /// Requests of ours to one address that are unanswered at a time.
    pub per_destination_max: usize,
    /// The same to an address that has answered nothing yet.
    pub unproven_max: usize,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one source: an IPv4 address, or an IPv6 /64.
    pub connections_per_source_max: usize,
    /// Messages that wait to be written on one connection.
    pub connection_queue_max: usize,
    /// Log lines a second.
    pub log_lines_max: usize,
    /// Bytes that may wait in the system to be received by one socket.
    pub receive_buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let mut limits = Self {
            message_bytes_max: 0,
            body_bytes_max: 0,
            headers_max: 0,
            header_bytes_max: 0,
            transactions_max: 0,
            in_service_max: 0,
            backlog_max: 0,
            per_destination_max: 0,
            unproven_max: 0,
            connections_max: 0,
            connections_per_source_max: 0,
            connection_queue_max: 0,
            log_lines_max: 0,
            receive_buffer_bytes: 0,
        };
        LIMITS.iter().for_each(|limit| *(limit.of)(&mut limits) = limit.default);
        limits
    }
}

/// A setting that is a bound.
pub struct Limit {
    /// Its name.
    pub name: &'static str,
    /// What holds where the file says nothing.
    pub default: usize,
    /// The smallest it may be set to.
    pub minimum: usize,
    /// The largest.
    pub maximum: usize,
    /// Where it is kept.
    pub of: fn(&mut Limits) -> &mut usize,
}

/// Every one of them.
pub const LIMITS: &[Limit] = &[
    limit("max_message_size", 65_536, 1024, 65_536, |limits| &mut limits.message_bytes_max),
    limit("max_body_size", 65_536, 0, 65_536, |limits| &mut limits.body_bytes_max),
    limit("max_headers", 128, 16, 128, |limits| &mut limits.headers_max),
    limit("max_header_size", 8192, 256, 8192, |limits| &mut limits.header_bytes_max),
    limit("max_transactions", 1_000_000, 16, 16_000_000, |limits| &mut limits.transactions_max),
    limit("max_requests_in_service", 512, 8, 65_536, |limits| &mut limits.in_service_max),
    limit("max_backlog", 4096, 64, 65_536, |limits| &mut limits.backlog_max),
    limit("max_requests_per_destination", 10_000, 1, 1_000_000, |limits| &mut limits.per_destination_max),
    limit("max_requests_unproven", 16, 1, 1_000_000, |limits| &mut limits.unproven_max),
    limit("tcp_max_connections", 16_384, 1, 1_000_000, |limits| &mut limits.connections_max),
    limit("tcp_max_connections_per_source", 1024, 1, 1_000_000, |limits| &mut limits.connections_per_source_max),
    limit("tcp_max_queue", 256, 8, 65_536, |limits| &mut limits.connection_queue_max),
    limit("max_log_lines", 1000, 1, 1_000_000, |limits| &mut limits.log_lines_max),
    limit("udp_receive_buffer", 8 << 20, 4096, 1 << 30, |limits| &mut limits.receive_buffer_bytes),
];

const fn limit(
    name: &'static str,
    default: usize,
    minimum: usize,
    maximum: usize,
    of: fn(&mut Limits) -> &mut usize,
) -> Limit {
    Limit { name, default, minimum, maximum, of }
}

/// Returns the bound that a setting sets.
pub fn find(name: &str) -> Option<&'static Limit> {
    LIMITS.iter().find(|limit| limit.name == name)
}
