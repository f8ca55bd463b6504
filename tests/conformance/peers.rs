//! What the module of 2006 and its descendants got wrong, one test an entry: their issues are our regression list.
//!
//! K and O with a number are issues of the two; what has no wire behaviour of its own (clusters, allocators, throughput) is
//! not here, and `docs/rfc-map.md` says where it is.

mod descendants; // fixed later than the seed
mod defects; // privacy defects that are still there
mod pains; // what users report most
mod seen; // what running one of them showed
