//! An operator's mistakes: exit code 78, the place, the line, what was expected, all of them in one run.

use std::process::Command;

use tests::binaries::Binaries;
use tests::server::{Ended, QUICKSTART, Server, with_setting};

const CONFIGURATION_ERROR: i32 = 78;

/// Returns the one-based line of the configuration that begins with `beginning`.
fn line_of(configuration: &str, beginning: &str) -> usize {
    let found = configuration.lines().position(|line| line.trim_start().starts_with(beginning));
    found.unwrap_or_else(|| panic!("no line {beginning:?}")) + 1
}

/// Both `-c` and a start must refuse `configuration` at `beginning`'s line and `column`, saying each of `said`.
fn check(configuration: &str, beginning: &str, column: usize, said: &[&str]) {
    for ended in [Server::check(configuration), Server::start_refused(configuration)] {
        assert_eq!(ended.code, Some(CONFIGURATION_ERROR), "{}", ended.stderr);
        let place = format!("{}:{}:{column}: ", ended.file.display(), line_of(configuration, beginning));
        assert!(ended.stderr.contains(&place), "no {place} in\n{}", ended.stderr);
        for words in said {
            assert!(ended.stderr.contains(words), "no {words:?} in\n{}", ended.stderr);
        }
        assert!(!ended.stderr.contains("ready"), "it started nevertheless:\n{}", ended.stderr);
    }
}

#[test]
fn a_sound_file_is_accepted() {
    let ended = Server::check(QUICKSTART);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_misspelt_parameter_is_shown_with_the_one_that_was_meant() {
    let line = "modparam(\"presence\", \"clean_perod\", 100)";
    check(&with_setting(line), line, 22, &[line, "did you mean `clean_period`?"]);
}

#[test]
fn a_value_out_of_range_is_shown() {
    let line = "modparam(\"presence\", \"max_expires\", 0)";
    check(&with_setting(line), line, 37, &["max_expires"]);
}

#[test]
fn a_number_that_is_none_is_shown() {
    let line = "modparam(\"presence\", \"clean_period\", \"often\")";
    check(&with_setting(line), line, 38, &["clean_period", "often"]);
}

#[test]
fn a_database_url_nobody_understands_is_shown() {
    let line = "modparam(\"presence\", \"db_url\", \"garbage\")";
    check(&with_setting(line), line, 32, &["sqlite://"]);
}

#[test]
fn a_password_in_a_database_url_is_not_repeated_outside_its_line() {
    let line = "modparam(\"presence\", \"db_url\", \"oracle://user:s3cret@host/db\")";
    let ended = Server::check(&with_setting(line));
    assert_eq!(ended.code, Some(CONFIGURATION_ERROR), "{}", ended.stderr);
    let elsewhere: Vec<_> = ended.lines_with("s3cret").into_iter().filter(|said| !said.contains(line)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn a_misspelt_setting_and_a_misspelt_function_are_shown_with_those_that_were_meant() {
    check(&with_setting("childrn=2"), "childrn", 1, &["did you mean `children`?"]);
    let misspelt = QUICKSTART.replace("handle_publish()", "handle_publsh()");
    check(&misspelt, "handle_publsh", 9, &["did you mean `handle_publish`?"]);
}

#[test]
fn to_tags_kept_in_two_places_are_refused_with_both_lines() {
    let lines = "modparam(\"sl\", \"totag_avpid\", 7)\nmodparam(\"presence\", \"totag_avpid\", 8)";
    let ended = Server::check(&with_setting(lines));
    assert_eq!(ended.code, Some(CONFIGURATION_ERROR), "{}", ended.stderr);
    for line in lines.lines() {
        assert!(ended.stderr.contains(line), "no {line} in\n{}", ended.stderr);
    }
    let agreed = Server::check(&with_setting(&lines.replace('8', "7")));
    assert_eq!(agreed.code, Some(0), "{}", agreed.stderr);
}

#[test]
fn all_mistakes_of_a_file_are_shown_in_one_run() {
    let lines =
        "childrn=2\nmodparam(\"presence\", \"clean_perod\", 100)\nmodparam(\"presence\", \"max_expires\", \"x\")";
    let configuration = with_setting(lines).replace("handle_publish()", "handle_publsh()");
    let ended = Server::check(&configuration);
    assert_eq!(ended.code, Some(CONFIGURATION_ERROR), "{}", ended.stderr);
    let place = format!("{}:", ended.file.display());
    let shown: Vec<_> =
        ended.stderr.lines().filter(|said| said.starts_with(&place) && said.contains("error")).collect();
    assert_eq!(shown.len(), 4, "{shown:#?}\n{}", ended.stderr);
}

#[test]
fn lines_of_old_scripts_that_mean_nothing_here_are_accepted_and_said_once() {
    for line in ["fork=yes", "log_stderror=no", "loadmodule \"mysql.so\"", "loadmodule \"maxfwd.so\""] {
        let ended = Server::check(&with_setting(line));
        assert_eq!(ended.code, Some(0), "{line}:\n{}", ended.stderr);
    }
    let ended = Server::check(&with_setting("fork=yes"));
    assert_eq!(ended.lines_with("`fork`").len(), 1, "{}", ended.stderr);
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let ended = run(&["-f", "/nowhere/server.cfg"]);
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("/nowhere/server.cfg"), "{}", ended.stderr);
}

#[test]
fn a_port_in_use_is_said() {
    let server = Server::quickstart();
    let taken = format!("listen=udp:{}", server.udp_address());
    let ended = Server::start_refused(&QUICKSTART.replace("listen=udp:127.0.0.1:@PORT@", &taken));
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(&server.udp_address().to_string()), "{}", ended.stderr);
}

#[test]
fn the_version_is_said() {
    let output = Command::new(&Binaries::get().host).arg("--version").output().expect("the host runs");
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
}

#[test]
fn sigterm_ends_it_with_0() {
    let mut server = Server::quickstart();
    assert_eq!(server.terminate().code(), Some(0));
}

fn run(arguments: &[&str]) -> Ended {
    let output = Command::new(&Binaries::get().host).args(arguments).output().expect("the host runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ended { code: output.status.code(), stderr, file: "none".into() }
}

#[test]
fn what_a_module_says_of_its_parameters_is_shown_beside_every_other_mistake() {
    let broken = QUICKSTART.replace("@DB_URL@", "garbage").replace("handle_publish", "handle_publsh");
    let ended = Server::check(&broken);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("expected sqlite://PATH"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `handle_publish`?"), "{}", ended.stderr);
}

#[test]
fn a_parameter_of_the_field_that_means_nothing_here_is_accepted_with_one_line() {
    let ended = Server::check(&with_setting("modparam(\"tm\", \"fr_timer\", 10)"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.lines_with("`fr_timer` of module `tm` means nothing here").len(), 1, "{}", ended.stderr);
}
