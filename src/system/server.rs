//! Which process is the server that a command is for, as `/proc` shows it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why no server was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoServer {
    /// This system does not show its processes.
    #[error("this system has no /proc to look for the server in: name its process with --pid")]
    Hidden,
    /// No process is one.
    #[error(
        "no server found: no process here runs `rerankd serve`. Run this where it runs (in a pod: in its container), or \
         name its process with --pid"
    )]
    Nowhere,
    /// What may be one is not this user's.
    #[error("no server found: process {0} runs rerankd as another user. Run this as the same user")]
    Others(u32),
    /// Several are, in the order of their numbers.
    #[error("several servers found, processes {}: name one with --pid", listed(.0))]
    Several(Vec<u32>),
    /// The one that was named does not run.
    #[error("there is no process {0}")]
    Gone(u32),
    /// The one that was named does not catch the signal, which would end it.
    #[error("process {0} is no server that knows this: it does not wait for the signal, which would end it")]
    Deaf(u32),
}

fn listed(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// A process that runs the program of this one, and is no server unless it catches the signal.
struct Process {
    number: u32,
    /// What its files are mounted in: one for each container. `None` where that is not shown.
    mounts: Option<PathBuf>,
    catches: bool,
}

/// The one other process that runs the same program as this one, as the same user, and catches `signal`, which only a server
/// does. Of several, the one in the same container.
pub fn find(signal: i32) -> Result<u32, NoServer> {
    find_in(Path::new("/proc"), signal)
}

/// Whether the process of this number catches `signal`. Where the system does not show it, it is taken to.
pub fn check(number: u32, signal: i32) -> Result<(), NoServer> {
    check_in(Path::new("/proc"), number, signal)
}

fn check_in(proc: &Path, number: u32, signal: i32) -> Result<(), NoServer> {
    match fs::read_to_string(proc.join(number.to_string()).join("status")) {
        Ok(status) if !catches(&status, signal) => Err(NoServer::Deaf(number)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && proc.join("self").exists() => {
            Err(NoServer::Gone(number))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn find_in(proc: &Path, signal: i32) -> Result<u32, NoServer> {
    let own = program(&proc.join("self")).ok_or(NoServer::Hidden)?;
    let mounts = mounts(&proc.join("self"));
    // The kernel cuts a name.
    let short: String = own.chars().take(15).collect();
    let (mut found, mut hidden) = (Vec::new(), None);
    for number in numbers(proc) {
        let folder = proc.join(number.to_string());
        match program(&folder) {
            Some(program) if program == own => found.push(process(number, &folder, signal)),
            Some(_) => {}
            None => {
                let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
                hidden = hidden.or((name.trim_end() == short).then_some(number));
            }
        }
    }
    found.retain(|process| process.catches);
    if found.len() > 1 && found.iter().any(|process| process.mounts == mounts) {
        found.retain(|process| process.mounts == mounts);
    }
    match (&found[..], hidden) {
        ([one], _) => Ok(one.number),
        ([], Some(hidden)) => Err(NoServer::Others(hidden)),
        ([], None) => Err(NoServer::Nowhere),
        (several, _) => Err(NoServer::Several(several.iter().map(|process| process.number).collect())),
    }
}

/// The numbers of all processes, in their order.
fn numbers(proc: &Path) -> Vec<u32> {
    let names = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = names.filter_map(|name| name.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

fn process(number: u32, folder: &Path, signal: i32) -> Process {
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    Process { number, mounts: mounts(folder), catches: catches(&status, signal) }
}

/// The file name of what it runs, also where that has been replaced; shown of processes of the same user.
fn program(folder: &Path) -> Option<String> {
    let path = fs::read_link(folder.join("exe")).ok()?;
    let name = path.file_name()?.to_str()?;
    Some(name.strip_suffix(" (deleted)").unwrap_or(name).to_owned())
}

fn mounts(folder: &Path) -> Option<PathBuf> {
    fs::read_link(folder.join("ns/mnt")).ok()
}

/// Whether a process with this `status` has a handler for the signal.
fn catches(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=64).contains(&signal) && mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const USR1: i32 = 10;
    const SERVES: &str = "Name:\trerankd\nSigCgt:\t0000000100004a01\n";
    const CHECKS: &str = "Name:\trerankd\nSigCgt:\t0000000100000400\n";

    /// A `/proc` with a `rerankd drain` and these others: number, what is run, status and mounts; what is run is not shown of
    /// another user's.
    fn proc(others: &[(u32, &str, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |folder: &str, exe: &str, status: &str, mounts: &str| {
            let folder = root.path().join(folder);
            fs::create_dir_all(folder.join("ns")).unwrap();
            fs::write(folder.join("status"), status).unwrap();
            if exe.starts_with('/') {
                symlink(exe, folder.join("exe")).unwrap();
                symlink(mounts, folder.join("ns/mnt")).unwrap();
            }
            let name = exe.rsplit('/').next().unwrap_or_default();
            fs::write(folder.join("comm"), format!("{name}\n")).unwrap();
        };
        put("self", "/usr/bin/rerankd", CHECKS, "mnt:[2]");
        put("99", "/usr/bin/rerankd", CHECKS, "mnt:[2]");
        fs::create_dir(root.path().join("sys")).unwrap();
        for (number, exe, status, mounts) in others {
            put(&number.to_string(), exe, status, mounts);
        }
        root
    }

    fn found(others: &[(u32, &str, &str, &str)]) -> Result<u32, NoServer> {
        find_in(proc(others).path(), USR1)
    }

    #[test]
    fn the_one_process_that_serves_is_found_also_beside_others_and_once_its_file_has_been_replaced() {
        let server = (1, "/usr/bin/rerankd", SERVES, "mnt:[2]");
        assert_eq!(found(&[server]), Ok(1));
        let pause = (1, "pause", CHECKS, "");
        let replaced = (17, "/usr/bin/rerankd (deleted)", SERVES, "mnt:[2]");
        let checking = (30, "/usr/bin/rerankd", CHECKS, "mnt:[2]");
        let other = (31, "/usr/bin/qdrant", SERVES, "mnt:[3]");
        assert_eq!(found(&[pause, replaced, checking, other]), Ok(17));
    }

    #[test]
    fn of_several_servers_it_is_the_one_of_the_same_container_or_none() {
        let server = |number, mounts| (number, "/usr/bin/rerankd", SERVES, mounts);
        assert_eq!(found(&[server(7, "mnt:[1]"), server(8, "mnt:[2]")]), Ok(8));
        assert_eq!(found(&[server(7, "mnt:[1]")]), Ok(7), "one alone may be elsewhere");
        let several = Err(NoServer::Several(vec![7, 8]));
        assert_eq!(found(&[server(8, "mnt:[2]"), server(7, "mnt:[2]")]), several);
        assert_eq!(found(&[server(8, "mnt:[3]"), server(7, "mnt:[1]")]), several);
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        assert_eq!(found(&[]), Err(NoServer::Nowhere));
        assert_eq!(found(&[(7, "rerankd", SERVES, "")]), Err(NoServer::Others(7)));
        assert_eq!(found(&[(7, "/usr/bin/rerankd", CHECKS, "mnt:[2]")]), Err(NoServer::Nowhere));
        assert_eq!(find_in(Path::new("/no/such"), USR1), Err(NoServer::Hidden));
        assert!(NoServer::Several(vec![7, 8]).to_string().contains("processes 7, 8:"));
    }

    #[test]
    fn a_process_that_the_signal_would_end_is_left_alone() {
        let root = proc(&[(7, "/usr/bin/rerankd", SERVES, "mnt:[2]"), (8, "/bin/sleep", CHECKS, "mnt:[3]")]);
        assert_eq!(check_in(root.path(), 7, USR1), Ok(()));
        assert_eq!(check_in(root.path(), 8, USR1), Err(NoServer::Deaf(8)));
        assert_eq!(check_in(root.path(), 9, USR1), Err(NoServer::Gone(9)));
        assert_eq!(check_in(Path::new("/no/such"), 9, USR1), Ok(()), "nothing is known");
    }
}
