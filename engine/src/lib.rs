//! The matching engine and internal ledger of Cambist.
//!
//! `Engine::apply` takes a batch of commands (docs/formats/commands.md) and returns their events
//! (docs/formats/events.md). It knows nothing of files, networks, clocks or Python; `python.rs` and `desk.rs` are
//! the only files that know the latter. `plain.rs` and `decimal.rs` are beside it: they spell commands and answers for
//! the gateway; so is `log_record.rs`.
#![deny(unsafe_code)]

mod admin;
mod ahead;
pub mod book;
pub mod command;
mod deadlines;
pub mod decimal;
#[cfg(feature = "python")]
mod desk;
mod dry_run;
pub mod engine;
pub mod event;
mod hash;
pub mod index;
mod ladder;
#[cfg(target_os = "linux")]
mod large_pages;
pub mod ledger;
pub mod limits;
pub mod lists;
pub mod log_record;
pub mod market;
mod money;
mod order_ids;
mod page;
pub mod plain;
mod prefetch;
#[cfg(feature = "python")]
mod python;
pub mod reference;
pub mod session;
pub mod snapshot;
mod snapshot_special;
mod snapshot_v2;
pub mod special;
pub mod stops;
mod trading;
pub mod triggers;
pub mod wire;
mod working;

pub use engine::{Broken, Engine};

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: large_pages::LargePages = large_pages::LargePages;
