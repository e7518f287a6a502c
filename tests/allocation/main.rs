//! What is allocated, measured.
//!
//! The allocator counts for the whole program, so the tests run one after the other and hold
//! [`alone`](allocation::alone) from their first line on.

#[path = "../support/allocation.rs"]
mod allocation;
mod io;
mod kronecker;
#[path = "../support/spoil.rs"]
mod spoil;
mod tensor;
