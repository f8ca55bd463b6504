//! Where a database server is and who asks, as a URL says it after its scheme.

use std::path::PathBuf;

/// `user:password@host:port/database?tls=on&tls_ca=FILE`, taken apart; the port is never left out in tests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Address {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    /// Who vouches for the server, where the connection is to be encrypted.
    pub(super) tls_ca: Option<PathBuf>,
}

impl Address {
    /// Reads what follows `://`.
    ///
    /// # Panics
    /// If it is no such address.
    pub(super) fn read(text: &str) -> Self {
        Self::taken_apart(text).unwrap_or_else(|| panic!("{text:?} is no user:password@host:port/database"))
    }

    fn taken_apart(text: &str) -> Option<Self> {
        let (address, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (credentials, place) = address.rsplit_once('@')?;
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host_and_port, database) = place.split_once('/')?;
        let (host, port) = host_and_port.rsplit_once(':')?;
        let tls_ca = parameters.split('&').find_map(|parameter| parameter.strip_prefix("tls_ca="));
        Some(Self {
            user: decoded(user)?,
            password: decoded(password)?,
            host: host.into(),
            port: port.parse().ok()?,
            database: database.into(),
            tls_ca: tls_ca.map(PathBuf::from),
        })
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match byte {
            b'%' => (u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok()?, &after[2..]),
            _ => (byte, after),
        };
        (rest, ()) = (after, out.push(byte));
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let address = Address::read("o%40p:s%3Acret@127.0.0.1:3307/presence?tls=on&tls_ca=/ca.pem");
        let expected = Address {
            user: "o@p".into(),
            password: "s:cret".into(),
            host: "127.0.0.1".into(),
            port: 3307,
            database: "presence".into(),
            tls_ca: Some("/ca.pem".into()),
        };
        assert_eq!(address, expected);
        assert_eq!(Address::taken_apart("u:p@host/db"), None);
        assert_eq!(Address::taken_apart("u%4:p@host:1/db"), None);
    }
}
