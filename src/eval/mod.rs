//! Does it help? `rerankd eval` measures what reranking changes, `rerankd calibrate` what floor, order, window
//! and margin gate to set, and which kinds of queries to leave alone.
//!
//! 1. Files are read whole, and every problem is reported before anything is sent: [`queries`], [`judgments`],
//!    [`run_file`].
//! 2. The [`runner`] sends each query both ways through a [`crate::probe::Probe`]; the result is a
//!    [`trial::Trial`], kept in a [`checkpoint`].
//! 3. The rest is arithmetic: [`measures`] and [`bootstrap`] make the [`evaluation`]; [`floor`], [`confidence`], [`orders`],
//!    [`window`], [`margin`] and [`kinds`] make the [`calibration`]; [`report`] presents it.

pub mod bootstrap;
pub mod calibration;
pub mod checkpoint;
pub mod confidence;
pub mod evaluation;
pub mod expense;
pub mod findings;
pub mod floor;
pub mod folds;
pub mod input;
pub mod judgments;
pub mod kinds;
#[cfg(test)]
mod kinds_tests;
pub mod margin;
pub mod measures;
pub mod orders;
mod progress;
pub mod queries;
pub mod reference;
pub mod report;
mod run;
pub mod run_file;
mod runner;
pub mod setup;
pub mod trial;
mod twins;
pub mod window;

pub use input::Input;
pub use run::{MeasureSettings, RunError, RunRequest, compare, run};
