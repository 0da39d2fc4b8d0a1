//! What the machine, or the container, gives this process: memory, CPUs, file handles, and the server beside a command.

mod cgroup;
pub mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

/// What this process may use. Files of `/proc` and `/sys` are read once; where there are none (not Linux),
/// what is not known is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Bytes: the smallest limit of the process's control groups, or the machine's memory.
    pub memory: Option<u64>,
    /// CPUs: the smallest quota of the process's control groups, rounded up, or those it may run on.
    pub cpus: usize,
    /// How many files and sockets the process may have open.
    pub open_files: Option<u64>,
}

impl Resources {
    /// Reads them from this system.
    pub fn detect() -> Self {
        Self::read(Path::new("/"))
    }

    /// Reads them from the `proc` and `sys` below `root`.
    fn read(root: &Path) -> Self {
        let file = |path: &str| fs::read_to_string(root.join(path)).ok();
        let groups = match (file("proc/self/mountinfo"), file("proc/self/cgroup")) {
            (Some(mounts), Some(member)) => cgroup::groups(&mounts, &member),
            _ => Vec::new(),
        };
        let below = |path: &Path| fs::read_to_string(below(root, path)).ok();
        let limits = groups.iter().flat_map(|group| group.folders().map(|folder| (group.version, folder)));
        let limits: Vec<cgroup::Limits> =
            limits.map(|(version, folder)| cgroup::Limits::read(version, &folder, below)).collect();

        let machine = file("proc/meminfo").and_then(|text| total_memory(&text));
        let memory = limits.iter().filter_map(|limit| limit.memory).chain(machine).min();
        let runnable = file("proc/self/status").and_then(|text| allowed_cpus(&text));
        let runnable = runnable.or_else(|| thread::available_parallelism().ok().map(usize::from));
        let quota = limits.iter().filter_map(|limit| limit.cpus).min();
        let cpus = runnable.into_iter().chain(quota).min().unwrap_or(1).max(1);
        let open_files = file("proc/self/limits").and_then(|text| open_files(&text));
        Self { memory, cpus, open_files }
    }
}

/// An absolute path, looked up below another root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// How many CPUs `Cpus_allowed_list` of `/proc/self/status` names, such as `0-3,8`.
fn allowed_cpus(status: &str) -> Option<usize> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    list.trim().split(',').try_fold(0usize, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// The soft limit of `Max open files` in `/proc/self/limits`; `None` if there is none.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system of these files.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       24684096 kB\nMemFree:  1 kB\n");
    const STATUS: (&str, &str) =
        ("proc/self/status", "Name:\tx\nCpus_allowed:\t10f\nCpus_allowed_list:\t0-3,8\n");
    const V2_MOUNT: (&str, &str) = (
        "proc/self/mountinfo",
        "22 28 0:21 / /proc rw - proc proc rw\n29 23 0:26 / /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup2 rw\n",
    );
    const MIB: u64 = 1 << 20;

    #[test]
    fn a_container_with_its_own_view_of_version_2_sees_its_limits_at_the_top() {
        let root = system(&[
            MEMINFO,
            STATUS,
            V2_MOUNT,
            ("proc/self/cgroup", "0::/\n"),
            (
                "proc/self/limits",
                "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n",
            ),
            ("sys/fs/cgroup/memory.max", "268435456\n"),
            ("sys/fs/cgroup/memory.high", "max\n"),
            ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
        ]);
        let found = Resources::read(root.path());
        assert_eq!(found, Resources { memory: Some(256 * MIB), cpus: 2, open_files: Some(1024) });
    }

    #[test]
    fn the_smallest_limit_of_nested_groups_counts() {
        let group = "sys/fs/cgroup/kubepods.slice/pod1.slice/c1.scope";
        let root = system(&[
            MEMINFO,
            STATUS,
            V2_MOUNT,
            ("proc/self/cgroup", "0::/kubepods.slice/pod1.slice/c1.scope\n"),
            (&format!("{group}/memory.max"), "max\n"),
            (&format!("{group}/cpu.max"), "max 100000\n"),
            ("sys/fs/cgroup/kubepods.slice/pod1.slice/memory.max", "536870912\n"),
            ("sys/fs/cgroup/kubepods.slice/pod1.slice/memory.high", "402653184\n"),
            ("sys/fs/cgroup/kubepods.slice/memory.max", "8589934592\n"),
            ("sys/fs/cgroup/kubepods.slice/cpu.max", "50000 100000\n"),
        ]);
        let found = Resources::read(root.path());
        assert_eq!((found.memory, found.cpus), (Some(384 * MIB), 1));
    }

    #[test]
    fn version_1_is_read_where_its_controllers_are_mounted() {
        let mounts = "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
                      35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let root = system(&[
            MEMINFO,
            STATUS,
            ("proc/self/mountinfo", mounts),
            ("proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc/inner\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "250000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000\n"),
        ]);
        let found = Resources::read(root.path());
        assert_eq!((found.memory, found.cpus), (Some(128 * MIB), 3));
    }

    #[test]
    fn without_a_limit_the_machine_is_the_limit() {
        let root = system(&[
            MEMINFO,
            STATUS,
            ("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"),
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let found = Resources::read(root.path());
        assert_eq!((found.memory, found.cpus), (Some(24684096 * 1024), 5));
    }

    #[test]
    fn a_system_without_such_files_is_no_error() {
        let found = Resources::read(system(&[]).path());
        assert_eq!((found.memory, found.open_files), (None, None));
        assert!(found.cpus >= 1);
    }
}
