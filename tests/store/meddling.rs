//! What operators and other programs do to a database while a server of ours works in it, and what they see of that.

use tests::database::Database;
use tests::database_server::{DatabaseServer, USER};

use crate::backend::Backend;
use crate::scene::Scene;

/// How a trigger refuses a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// Every time.
    Always { sqlstate: &'static str },
    /// The first time, however the transaction ends.
    Once { sqlstate: &'static str },
}

impl Scene<'_> {
    /// Makes a trigger that refuses publications of a user; `sqlstate` is what it says to that, where there is such a thing.
    pub(crate) fn refuse_publications_of(&self, user: &str, refusal: Refusal) {
        let mut other = self.other();
        let (count, is_now, sqlstate) = match (refusal, self.backend) {
            (Refusal::Always { sqlstate }, _) => ("", "1 = 1", sqlstate),
            // What is counted in these stays counted when the transaction is undone.
            (Refusal::Once { sqlstate }, Backend::MariaDb) => {
                other.script("CREATE TABLE refused (n integer) ENGINE=MyISAM; INSERT INTO refused VALUES (0);");
                ("UPDATE refused SET n = n + 1;", "(SELECT n FROM refused) = 1", sqlstate)
            }
            (Refusal::Once { sqlstate }, _) => {
                other.execute("CREATE SEQUENCE refused");
                ("", "nextval('refused') = 1", sqlstate)
            }
        };
        let trigger = format!("CREATE TRIGGER refuse_{user} BEFORE INSERT ON presentity");
        match self.backend {
            Backend::MariaDb => other.execute(&format!(
                "{trigger} FOR EACH ROW BEGIN IF NEW.username = '{user}' THEN {count} IF {is_now} THEN \
                 SIGNAL SQLSTATE '{sqlstate}' SET MESSAGE_TEXT = 'not here'; END IF; END IF; END"
            )),
            Backend::PostgreSql => {
                other.execute(&format!(
                    "CREATE FUNCTION refuse_{user}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
                     IF NEW.username = '{user}' THEN IF {is_now} THEN \
                     RAISE EXCEPTION 'not here' USING ERRCODE = '{sqlstate}'; END IF; END IF; RETURN NEW; END $$"
                ));
                other.execute(&format!("{trigger} FOR EACH ROW EXECUTE FUNCTION refuse_{user}()"))
            }
            Backend::Sqlite => other.execute(&format!(
                "{trigger} WHEN {is_now} AND NEW.username = '{user}' BEGIN SELECT RAISE(ABORT, 'constraint: not here'); END"
            )),
        };
    }

    /// Makes a trigger that counts the publications that are stored from now on, in the table `counted`.
    pub(crate) fn count_publications(&self) {
        let mut other = self.other();
        other.script("CREATE TABLE counted (n integer); INSERT INTO counted VALUES (0);");
        let trigger = "CREATE TRIGGER counting AFTER INSERT ON presentity FOR EACH ROW";
        let count = "UPDATE counted SET n = n + 1;";
        if self.backend == Backend::PostgreSql {
            let function = "CREATE FUNCTION counting() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER";
            other.execute(&format!("{function} AS $$ BEGIN {count} RETURN NEW; END $$"));
            other.execute(&format!("{trigger} EXECUTE FUNCTION counting()"));
        } else {
            other.execute(&format!("{trigger} BEGIN {count} END"));
        }
    }

    /// Has the server hold up each COMMIT of a publication that arrives there.
    pub(crate) fn hold_commits(&self) -> Hold {
        let mut other = self.other();
        let release = match self.backend {
            Backend::MariaDb => {
                other.execute("BACKUP STAGE START");
                other.execute("BACKUP STAGE BLOCK_COMMIT");
                "BACKUP STAGE END"
            }
            Backend::PostgreSql => {
                other.script(
                    "CREATE TABLE held (one integer); INSERT INTO held VALUES (1);
                     CREATE FUNCTION wait_while_held() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                         WHILE EXISTS (SELECT 1 FROM held) LOOP PERFORM pg_sleep(0.005); END LOOP; RETURN NULL;
                     END $$;
                     CREATE CONSTRAINT TRIGGER held AFTER INSERT OR UPDATE ON presentity
                         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_while_held();",
                );
                "DELETE FROM held"
            }
            Backend::Sqlite => panic!("a commit of SQLite's is its writer's own affair"),
        };
        Hold { other, release }
    }

    /// Returns whether a server of ours waits for what becomes of a COMMIT.
    pub(crate) fn is_committing(&self) -> bool {
        self.sessions(match self.backend {
            Backend::MariaDb => "info = 'COMMIT'",
            Backend::PostgreSql | Backend::Sqlite => "query = 'COMMIT' AND state = 'active'",
        }) > 0
    }

    /// Returns how many sessions servers of ours have in the database.
    pub(crate) fn sessions_of_servers(&self) -> usize {
        self.sessions("1 = 1")
    }

    fn sessions(&self, condition: &str) -> usize {
        let of_servers = match self.backend {
            Backend::MariaDb => format!("information_schema.processlist WHERE db = DATABASE() AND user = '{USER}'"),
            Backend::PostgreSql => {
                format!("pg_stat_activity WHERE datname = current_database() AND usename = '{USER}'")
            }
            Backend::Sqlite => panic!("nobody counts the readers of a file"),
        };
        self.other().lines("count(*)", &format!("{of_servers} AND {condition}"))[0].parse().unwrap()
    }
}

/// A server that stands still until this is dropped.
pub(crate) struct Pause<'a>(&'a DatabaseServer);

impl<'a> Pause<'a> {
    /// Stops it in its tracks.
    pub(crate) fn of(server: &'a DatabaseServer) -> Self {
        server.pause();
        Self(server)
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.resume();
    }
}

/// Commits that are held up.
pub(crate) struct Hold {
    other: Database,
    release: &'static str,
}

impl Hold {
    /// Lets them go on.
    pub(crate) fn release(mut self) {
        self.other.execute(self.release);
    }
}

/// Returns whether somebody has written a publication and not committed yet.
pub(crate) fn is_held(other: &mut Database, id: u64) -> bool {
    other.try_execute(&format!("SELECT id FROM presentity WHERE id = {id} FOR UPDATE NOWAIT")).is_err()
}
