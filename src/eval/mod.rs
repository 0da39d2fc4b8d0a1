//! Does it help? `rerankd eval` measures what reranking changes, `rerankd calibrate` what floor, window and margin gate
//! to set.
//!
//! The pure parts read files ([`queries`], [`judgments`], [`run_file`]) and measure ([`measures`], [`bootstrap`]).

pub mod bootstrap;
pub mod calibration;
pub mod evaluation;
pub mod findings;
pub mod floor;
pub mod input;
pub mod judgments;
pub mod margin;
pub mod measures;
pub mod queries;
pub mod report;
pub mod run_file;
pub mod trial;
pub mod window;
