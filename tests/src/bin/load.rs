//! Prints what a message costs: `load [PRESENTITIES [WATCHERS]]`, CPU of the server from the operating system's accounts.

use tests::load::phases;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let presentities = arguments.next().unwrap_or(20_000);
    let watchers = arguments.next().unwrap_or(1000);
    println!("| work                                       | window | CPU µs/op | op/s      |");
    println!("|--------------------------------------------|--------|-----------|-----------|");
    for (window, presentities) in [(128, presentities), (1, presentities / 10)] {
        phases::run(window, presentities, watchers, |row| println!("{row}"));
    }
}
