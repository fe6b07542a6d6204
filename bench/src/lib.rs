//! What the programs of this package share: the calls that clients make, and what the kernel
//! knows about a process.

pub mod client;
pub mod procfs;
