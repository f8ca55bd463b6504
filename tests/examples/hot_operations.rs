//! Runs one operation so many times: `hot_operations NAME COUNT`. `tests/instructions.rs` runs it under callgrind.

#[path = "../hot/mod.rs"]
mod hot;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (name, count) = (arguments.next().unwrap_or_default(), arguments.next());
    let count: u32 = count.and_then(|count| count.parse().ok()).expect("how many times");
    let (_, make) = hot::OPERATIONS.into_iter().find(|(known, _)| *known == name).expect("an operation of that name");
    let mut operation = make();
    (0..count).for_each(|_| operation());
}
