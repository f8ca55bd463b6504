//! Configurations the tests start from, and what is filled into them.

use std::net::SocketAddr;

/// The whole product in one file: `@DB_URL@` and `@PORT@` stand for what each server has of its own.
pub const QUICKSTART: &str = r#"
listen=udp:127.0.0.1:@PORT@
listen=tcp:127.0.0.1:@PORT@
alias="pres.example"

loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "presence.so"

modparam("presence", "db_url", "@DB_URL@")
modparam("presence", "force_active", 1)
modparam("presence", "identity", "from")

route {
    if (method=="PUBLISH")
        handle_publish();
    if (method=="SUBSCRIBE")
        handle_subscribe();
}
"#;

/// Returns the quickstart with further settings or modules before its route.
pub fn with_setting(lines: &str) -> String {
    QUICKSTART.replace("route {", &format!("{lines}\n\nroute {{"))
}

/// Returns the quickstart with parameters of `presence`; what it sets itself they override.
pub fn with_parameters(parameters: &[(&str, &str)]) -> String {
    let lines = parameters.iter().map(|(name, value)| format!("modparam(\"presence\", \"{name}\", \"{value}\")\n"));
    with_setting(&lines.collect::<String>())
}

/// Returns the quickstart with another main route (its statements only), and settings before it.
pub fn with_route(settings: &str, statements: &str) -> String {
    let before = QUICKSTART.split("route {").next().unwrap_or_default();
    format!("{before}{settings}\nroute {{\n{statements}\n}}\n")
}

/// Fills in the database's URL and the ports: 0, or those of the last start, in the order of the listeners.
pub(super) fn filled(text: &str, database_url: &str, udp: &[SocketAddr], tcp: &[SocketAddr]) -> String {
    let (mut udp, mut tcp) = (udp.iter(), tcp.iter());
    let mut out = String::new();
    for line in text.lines() {
        let known = match line.strip_prefix("listen=") {
            Some(listener) if listener.starts_with("udp:") => udp.next(),
            Some(_) => tcp.next(),
            None => None,
        };
        let port = known.map_or(0, SocketAddr::port);
        out.push_str(&line.replace("@PORT@", &port.to_string()));
        out.push('\n');
    }
    out.replace("@DB_URL@", database_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_takes_any_port_and_the_next_the_same_ones() {
        let text = "listen=udp:127.0.0.1:@PORT@\nlisten=tcp:127.0.0.1:@PORT@\nx \"@DB_URL@\"\n";
        let path = "sqlite:///d/b";
        assert_eq!(
            filled(text, path, &[], &[]),
            "listen=udp:127.0.0.1:0\nlisten=tcp:127.0.0.1:0\nx \"sqlite:///d/b\"\n"
        );
        let (udp, tcp) = (["127.0.0.1:7".parse().unwrap()], ["127.0.0.1:8".parse().unwrap()]);
        assert_eq!(
            filled(text, path, &udp, &tcp),
            "listen=udp:127.0.0.1:7\nlisten=tcp:127.0.0.1:8\nx \"sqlite:///d/b\"\n"
        );
    }
}
