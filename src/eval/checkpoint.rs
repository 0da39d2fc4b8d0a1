//! What is done so far, on disk: a run that ended early resumes from there, and pays nothing twice.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::trial::Trial;

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    rerankd_checkpoint: u32,
    /// Equal for runs that may resume from each other.
    run: String,
}

const VERSION: u32 = 3;

/// What was paid for queries that have no result.
#[derive(Debug, Serialize, Deserialize)]
struct Lost {
    lost_search_units: f64,
}

/// What an earlier run has done.
#[derive(Debug, Default)]
pub struct Done {
    /// Its results, by query.
    pub trials: HashMap<String, Trial>,
    /// What it paid for queries that have none.
    pub lost_units: f64,
}

impl Done {
    /// Search units that it has cost.
    pub fn search_units(&self) -> f64 {
        self.lost_units + self.trials.values().map(|trial| trial.search_units).sum::<f64>()
    }
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It exists, and `--resume` was not given.
    #[error("{} holds an earlier run: --resume goes on from it; delete it to begin anew", .0.display())]
    Exists(PathBuf),
    /// It was made with something else.
    #[error("{} is of another run: command, configuration or queries differ; delete it to begin anew", .0.display())]
    OtherRun(PathBuf),
    /// It cannot be read or written.
    #[error("{}: the checkpoint cannot be read or written (see --checkpoint)", .0.display())]
    File(PathBuf, #[source] io::Error),
}

/// The file, open for the next results.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: File,
}

impl Checkpoint {
    /// Reads its contents, and changes nothing. `run` identifies the run.
    pub fn read(path: &Path, run: &str, resume: bool) -> Result<Done, CheckpointError> {
        let failed = |error| CheckpointError::File(path.to_owned(), error);
        let mut done = Done::default();
        match File::open(path) {
            Ok(_) if !resume => return Err(CheckpointError::Exists(path.to_owned())),
            Ok(file) => {
                let mut lines = BufReader::new(file).lines();
                let first = lines.next().transpose().map_err(failed)?.unwrap_or_default();
                let header = serde_json::from_str(&first).ok();
                if header != Some(Header { rerankd_checkpoint: VERSION, run: run.to_owned() }) {
                    return Err(CheckpointError::OtherRun(path.to_owned()));
                }
                for line in lines {
                    let line = line.map_err(failed)?;
                    // The last line breaks off if the program was killed while it wrote.
                    if let Ok(trial) = serde_json::from_str::<Trial>(&line) {
                        done.trials.insert(trial.query.clone(), trial);
                    } else if let Ok(lost) = serde_json::from_str::<Lost>(&line) {
                        done.lost_units += lost.lost_search_units;
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(done)
    }

    /// Opens it for the next results, after those that it holds.
    pub fn open(path: &Path, run: &str, done: &Done) -> Result<Self, CheckpointError> {
        let failed = |error| CheckpointError::File(path.to_owned(), error);
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(path).map_err(failed)?;
        let mut checkpoint = Self { path: path.to_owned(), file };
        checkpoint.write(&Header { rerankd_checkpoint: VERSION, run: run.to_owned() })?;
        let mut kept: Vec<&Trial> = done.trials.values().collect();
        kept.sort_by(|a, b| a.query.cmp(&b.query));
        kept.into_iter().try_for_each(|trial| checkpoint.add(trial))?;
        checkpoint.lost(done.lost_units)?;
        Ok(checkpoint)
    }

    /// Adds what was paid for a query that has no result.
    pub fn lost(&mut self, search_units: f64) -> Result<(), CheckpointError> {
        if search_units > 0.0 { self.write(&Lost { lost_search_units: search_units }) } else { Ok(()) }
    }

    /// Adds a result.
    pub fn add(&mut self, trial: &Trial) -> Result<(), CheckpointError> {
        self.write(trial)
    }

    /// Removes it: everything is done.
    pub fn remove(self) -> Result<(), CheckpointError> {
        std::fs::remove_file(&self.path).map_err(|error| CheckpointError::File(self.path, error))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), CheckpointError> {
        let mut line = serde_json::to_vec(value).unwrap_or_default();
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| CheckpointError::File(self.path.clone(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::test_support::trial, *};

    fn opened(path: &Path, run: &str, resume: bool) -> Result<(Checkpoint, Done), CheckpointError> {
        let done = Checkpoint::read(path, run, resume)?;
        Ok((Checkpoint::open(path, run, &done)?, done))
    }

    #[test]
    fn results_come_back_also_from_a_file_that_breaks_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let (mut checkpoint, done) = opened(&path, "run", true).unwrap();
        assert!(done.trials.is_empty());
        checkpoint.add(&trial("q1", &[("a", 1.0, 0.5)])).unwrap();
        checkpoint.file.write_all(b"{\"query\": \"q2").unwrap();
        let (mut checkpoint, done) = opened(&path, "run", true).unwrap();
        assert_eq!(done.trials.keys().collect::<Vec<_>>(), ["q1"]);
        checkpoint.add(&trial("q3", &[("a", 1.0, 0.5)])).unwrap();
        let (checkpoint, done) = opened(&path, "run", true).unwrap();
        assert_eq!(done.trials.len(), 2, "what broke off is gone, what came later is there");
        checkpoint.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_was_paid_in_vain_is_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let (mut checkpoint, _) = opened(&path, "run", true).unwrap();
        checkpoint.add(&Trial { search_units: 2.0, ..trial("q1", &[("a", 1.0, 0.5)]) }).unwrap();
        checkpoint.lost(1.0).unwrap();
        let (mut checkpoint, done) = opened(&path, "run", true).unwrap();
        assert_eq!(done.search_units(), 3.0);
        checkpoint.lost(1.5).unwrap();
        assert_eq!(Checkpoint::read(&path, "run", true).unwrap().search_units(), 4.5);
    }

    #[test]
    fn an_earlier_run_is_not_lost_and_another_one_not_mixed_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        opened(&path, "run", false).unwrap();
        assert!(matches!(opened(&path, "run", false), Err(CheckpointError::Exists(_))));
        assert!(matches!(opened(&path, "other", true), Err(CheckpointError::OtherRun(_))));
        std::fs::write(&path, "something else").unwrap();
        assert!(matches!(opened(&path, "run", true), Err(CheckpointError::OtherRun(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"something else");
        let nowhere = dir.path().join("no/such");
        assert!(matches!(opened(&nowhere, "run", true), Err(CheckpointError::File(..))));
    }
}
