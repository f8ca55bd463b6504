//! What a server holds, looked at from outside, and whether that grows.

use std::path::Path;
use std::time::Duration;

use crate::database::Database;
use crate::processes::Tree;

/// What a server holds at a time.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    /// Bytes of resident memory.
    pub resident: u64,
    /// Open files and sockets.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Rows of subscriptions and of publications.
    pub rows: (u64, u64),
    /// Bytes of its database.
    pub database_bytes: u64,
    /// Processor time used so far.
    pub cpu: Duration,
}

impl Holdings {
    /// Looks at a server whose database is at `url`.
    ///
    /// # Panics
    /// If the database cannot be read.
    pub fn of(processes: Tree, url: &str) -> Self {
        let mut database = Database::connect(url);
        let mut number = |expression: &str, rest: &str| -> u64 {
            let lines = database.lines(expression, rest);
            lines.first().and_then(|line| line.parse().ok()).unwrap_or(0)
        };
        let rows = (number("count(*)", "active_watchers"), number("count(*)", "presentity"));
        let database_bytes = match url.split_once("://") {
            Some(("sqlite", path)) => ["", "-wal", "-shm"].iter().map(|end| bytes(&format!("{path}{end}"))).sum(),
            Some(("mysql", _)) => number(
                "coalesce(sum(data_length + index_length), 0)",
                "information_schema.tables WHERE table_schema = database()",
            ),
            _ => number("pg_database_size(current_database())", "(SELECT 1) AS one"),
        };
        Self {
            resident: processes.memory().resident,
            descriptors: processes.descriptors(),
            threads: processes.threads(),
            rows,
            database_bytes,
            cpu: processes.cpu_time(),
        }
    }
}

fn bytes(file: &str) -> u64 {
    Path::new(file).metadata().map_or(0, |metadata| metadata.len())
}

/// Resident memory over time.
#[derive(Clone, Debug, Default)]
pub struct Curve(Vec<(f64, f64)>);

impl Curve {
    /// Adds what was resident `at` a time.
    pub fn add(&mut self, at: Duration, resident: u64) {
        self.0.push((at.as_secs_f64(), resident as f64));
    }

    /// Returns what was resident at most.
    pub fn most(&self) -> f64 {
        self.0.iter().map(|(_, resident)| *resident).fold(0.0, f64::max)
    }

    /// Returns by how many bytes a second memory grew in the last half (the slope of least squares), and how long that half is.
    pub fn growth(&self) -> (f64, Duration) {
        let (Some((first, _)), Some((last, _))) = (self.0.first(), self.0.last()) else { return (0.0, Duration::ZERO) };
        let middle = f64::midpoint(*first, *last);
        let half: Vec<_> = self.0.iter().filter(|(at, _)| *at >= middle).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| half.iter().map(|point| of(point)).sum::<f64>() / half.len() as f64;
        let (mean_at, mean_bytes) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = half.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
        let together: f64 = half.iter().map(|(at, bytes)| (at - mean_at) * (bytes - mean_bytes)).sum();
        let slope = if spread > 0.0 { together / spread } else { 0.0 };
        (slope, Duration::from_secs_f64(last - middle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_last_half() {
        let mut curve = Curve::default();
        (0..=100)
            .for_each(|s| curve.add(Duration::from_secs(s), if s < 50 { s * 1000 } else { 50_000 + (s - 50) * 8 }));
        let (slope, half) = curve.growth();
        assert!((slope - 8.0).abs() < 1e-6, "{slope}");
        assert_eq!(half, Duration::from_secs(50));
        assert_eq!(curve.most(), 50_400.0);
        assert_eq!((Curve::default().growth(), Curve::default().most()), ((0.0, Duration::ZERO), 0.0));
    }
}
