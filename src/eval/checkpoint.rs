//! What is done so far, on disk: a run that ended early goes on from there, and pays nothing twice.

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
    /// Equal for runs that may go on from each other.
    run: String,
}

const VERSION: u32 = 1;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is there and nobody said to go on from it.
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
    /// Opens it, and gives the results that it holds. `run` tells which run it is.
    pub fn open(
        path: &Path,
        run: &str,
        resume: bool,
    ) -> Result<(Self, HashMap<String, Trial>), CheckpointError> {
        let failed = |error| CheckpointError::File(path.to_owned(), error);
        let mut done = HashMap::new();
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
                    // The last line breaks off if the program was killed while it wrote.
                    let Ok(trial) = serde_json::from_str::<Trial>(&line.map_err(failed)?) else { continue };
                    done.insert(trial.query.clone(), trial);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(path).map_err(failed)?;
        let mut checkpoint = Self { path: path.to_owned(), file };
        checkpoint.write(&Header { rerankd_checkpoint: VERSION, run: run.to_owned() })?;
        let mut kept: Vec<&Trial> = done.values().collect();
        kept.sort_by(|a, b| a.query.cmp(&b.query));
        kept.into_iter().try_for_each(|trial| checkpoint.add(trial))?;
        Ok((checkpoint, done))
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

    #[test]
    fn results_come_back_also_from_a_file_that_breaks_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let (mut checkpoint, done) = Checkpoint::open(&path, "run", true).unwrap();
        assert!(done.is_empty());
        checkpoint.add(&trial("q1", &[("a", 1.0, 0.5)])).unwrap();
        checkpoint.file.write_all(b"{\"query\": \"q2").unwrap();
        let (mut checkpoint, done) = Checkpoint::open(&path, "run", true).unwrap();
        assert_eq!(done.keys().collect::<Vec<_>>(), ["q1"]);
        checkpoint.add(&trial("q3", &[("a", 1.0, 0.5)])).unwrap();
        let (checkpoint, done) = Checkpoint::open(&path, "run", true).unwrap();
        assert_eq!(done.len(), 2, "what broke off is gone, what came later is there");
        checkpoint.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn an_earlier_run_is_not_lost_and_another_one_not_mixed_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        Checkpoint::open(&path, "run", false).unwrap();
        assert!(matches!(Checkpoint::open(&path, "run", false), Err(CheckpointError::Exists(_))));
        assert!(matches!(Checkpoint::open(&path, "other", true), Err(CheckpointError::OtherRun(_))));
        std::fs::write(&path, "something else").unwrap();
        assert!(matches!(Checkpoint::open(&path, "run", true), Err(CheckpointError::OtherRun(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"something else");
        let nowhere = dir.path().join("no/such");
        assert!(matches!(Checkpoint::open(&nowhere, "run", true), Err(CheckpointError::File(..))));
    }
}
