//! Known bugs, planted.
