//! The names a top-level setting may have: those that mean something here, and those old scripts carry.
//!
//! A table; `config.rs` gives the first their values and tells the operator about the others.

/// Settings with a meaning.
pub const KNOWN: &[&str] = &[
    "alias",
    "children",
    "debug",
    "listen",
    "log_level",
    "max_backlog",
    "max_body_size",
    "max_header_size",
    "max_headers",
    "max_log_lines",
    "max_message_size",
    "max_requests_in_service",
    "max_requests_per_destination",
    "max_requests_unproven",
    "max_transactions",
    "mpath",
    "port",
    "tcp_max_connections",
    "tcp_max_connections_per_source",
    "tcp_max_queue",
    "udp_receive_buffer",
];

/// Settings of older proxies, and why each does nothing here.
pub const IGNORED: &[(&str, &str)] = &[
    ("advertised_address", PROCESS),
    ("advertised_port", PROCESS),
    ("auto_aliases", "only `alias` lines and listening addresses name this host"),
    ("check_via", "the Via header is always handled as RFC 3261 §18 says"),
    ("chroot", PROCESS),
    ("dbversion_table", DATABASE),
    ("disable_core_dump", PROCESS),
    ("disable_dns_blacklist", NAMES),
    ("disable_dns_failover", NAMES),
    ("disable_tcp", "TCP is served where a `listen=tcp:` line says so"),
    ("disable_tls", "TLS is served where a `listen` line says so"),
    ("dns", NAMES),
    ("dns_retr_no", NAMES),
    ("dns_retr_time", NAMES),
    ("dns_servers_no", NAMES),
    ("dns_try_ipv6", NAMES),
    ("dns_use_search_list", NAMES),
    ("exec_dset", PROCESS),
    ("exec_msg_threshold", PROCESS),
    ("fifo", MANAGEMENT),
    ("fifo_db_url", MANAGEMENT),
    ("fifo_dir", MANAGEMENT),
    ("fifo_mode", MANAGEMENT),
    ("fifo_user", MANAGEMENT),
    ("fork", "the server runs in the foreground; a service manager puts it where it belongs"),
    ("gid", PROCESS),
    ("group", PROCESS),
    ("loop_checks", "Max-Forwards ends loops"),
    ("log_facility", LOG),
    ("log_name", LOG),
    ("log_stderror", LOG),
    ("maxbuffer", "`udp_receive_buffer` says how much may wait to be received"),
    ("max_while_loops", "the work of one request is always bounded"),
    ("mcast_loopback", SOCKET),
    ("mcast_ttl", SOCKET),
    ("memdump", MEMORY),
    ("memlog", MEMORY),
    ("mhomed", SOCKET),
    ("open_files_limit", PROCESS),
    ("reply_to_via", "responses go where RFC 3261 §18.2.2 and RFC 3581 send them"),
    ("rev_dns", NAMES),
    ("server_header", IDENTITY),
    ("server_signature", IDENTITY),
    ("sip_warning", IDENTITY),
    ("sock_gid", MANAGEMENT),
    ("sock_mode", MANAGEMENT),
    ("sock_uid", MANAGEMENT),
    ("sock_user", MANAGEMENT),
    ("stat_file", MANAGEMENT),
    ("syn_branch", "branches are always unique and repeatable"),
    ("tcp_accept_aliases", TCP),
    ("tcp_children", TCP),
    ("tcp_connect_timeout", TCP),
    ("tcp_connection_lifetime", TCP),
    ("tcp_poll_method", TCP),
    ("tcp_send_timeout", TCP),
    ("tos", SOCKET),
    ("uid", PROCESS),
    ("unix_sock", MANAGEMENT),
    ("unix_sock_gid", MANAGEMENT),
    ("unix_sock_mode", MANAGEMENT),
    ("unix_sock_uid", MANAGEMENT),
    ("user", PROCESS),
    ("user_agent_header", IDENTITY),
    ("workdir", PROCESS),
    ("wdir", PROCESS),
    ("xlog_buf_size", LOG),
];

/// Iterates over every name that may stand before a `=`.
pub fn all() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().copied().chain(IGNORED.iter().map(|(name, _)| *name))
}

/// Returns why a setting does nothing here, where it is one of those.
pub fn why_ignored(name: &str) -> Option<&'static str> {
    IGNORED.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason)
}

const DATABASE: &str = "a module looks after its own tables";
const IDENTITY: &str = "the server does not advertise what it is";
const LOG: &str = "the log goes to standard error, one line an event";
const MANAGEMENT: &str = "there is no management socket of that kind";
const MEMORY: &str = "there is no memory pool to report on";
const NAMES: &str = "the server resolves names in its own way";
const PROCESS: &str = "the service manager that starts the server decides it";
const SOCKET: &str = "the server chooses its socket options itself";
const TCP: &str = "connections are served by the same threads as everything else";
