//! What befalls a database, and what its presence server does then: who asks is told to come again, nothing that was
//! acknowledged is lost, nothing happens twice, and service resumes by itself.
//!
//! Each file is about one kind of fault, each promise a test on every database it can befall.

/// Makes functions tests on databases: each is a module, in it a test for each database.
macro_rules! on {
    ($databases:tt $($promise:ident,)+) => {
        $(mod $promise {
            on! { @each $promise $databases }
        })+
    };
    (@each $promise:ident [$($database:ident)+]) => {
        $(#[test]
        fn $database() {
            super::$promise(on!(@kind $database));
        })+
    };
    (@kind mariadb) => { tests::database_server::Kind::MariaDb.into() };
    (@kind postgresql) => { tests::database_server::Kind::PostgreSql.into() };
    (@kind sqlite) => { None };
}

mod scene; // both servers, and what is held against their answers

mod away; // a database that is killed, stopped, restarted
mod cut; // connections that are cut under load
mod disk; // no room
mod doors; // what a start is refused for, and what of it is never said
mod owners; // two servers, one database
mod rows; // rows that others write, hold, or spoil
