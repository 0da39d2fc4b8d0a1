//! The control groups of a process, in both versions: where they are mounted and what they say.
//!
//! Formats: proc(5) for `mountinfo` and `cgroup`; the kernel's admin guide, `cgroup-v2.rst` and
//! `cgroup-v1/memory.rst`, for the limits.

use std::path::{Component, Path, PathBuf};

/// Which interface a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// One tree a controller.
    One,
    /// One tree for all.
    Two,
}

/// A group that this process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) version: Version,
    mount: PathBuf,
    path: PathBuf,
}

/// What one folder of a group says; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes.
    pub(super) memory: Option<u64>,
    /// CPUs, rounded up.
    pub(super) cpus: Option<usize>,
}

/// The groups named in `/proc/self/cgroup` that limit memory or CPU, where `/proc/self/mountinfo` has them.
pub(super) fn groups(mountinfo: &str, cgroup: &str) -> Vec<Group> {
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(Mount::parse).collect();
    let member = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let mount = mounts.iter().find(|mount| mount.holds(controllers))?;
        Some(mount.group(path))
    };
    cgroup.lines().filter_map(member).collect()
}

struct Mount<'a> {
    version: Version,
    root: &'a Path,
    point: &'a Path,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// One line: id, parent, device, root, mount point, options, tags, `-`, type, source, super options.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        let version = match system.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        Some(Self { version, root: Path::new(root), point: Path::new(point), options: system.nth(1)? })
    }

    /// Whether the group of a line with these controllers is found here. The line of version 2 has none.
    fn holds(&self, controllers: &str) -> bool {
        match self.version {
            Version::Two => controllers.is_empty(),
            Version::One => controllers
                .split(',')
                .any(|name| matches!(name, "memory" | "cpu") && self.options.split(',').any(|o| o == name)),
        }
    }

    /// A path outside what is mounted is that of another view: the mount's own top is all that can be seen.
    fn group(&self, path: &str) -> Group {
        let path = Path::new(path).strip_prefix(self.root).unwrap_or(Path::new(""));
        let outside = path.components().any(|part| part == Component::ParentDir);
        let path = if outside { Path::new("") } else { path };
        Group { version: self.version, mount: self.point.to_owned(), path: path.to_owned() }
    }
}

impl Group {
    /// The group's folder and those above it, up to the mount.
    pub(super) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.path.ancestors().map(|path| self.mount.join(path))
    }
}

impl Limits {
    /// Reads one folder by `file`, which gives a file's text.
    pub(super) fn read(version: Version, folder: &Path, file: impl Fn(&Path) -> Option<String>) -> Self {
        let text = |name: &str| file(&folder.join(name));
        let number = |name: &str| text(name).and_then(|text| text.trim().parse::<u64>().ok());
        match version {
            Version::Two => Self {
                // `high` is where the kernel begins to slow the process down.
                memory: number("memory.max").into_iter().chain(number("memory.high")).min(),
                cpus: text("cpu.max").and_then(|text| {
                    let (quota, period) = text.trim().split_once(' ')?;
                    cpus(quota.parse().ok()?, period.parse().ok()?)
                }),
            },
            Version::One => Self {
                memory: number("memory.limit_in_bytes"),
                cpus: number("cpu.cfs_quota_us")
                    .zip(number("cpu.cfs_period_us"))
                    .and_then(|(q, p)| cpus(q, p)),
            },
        }
    }
}

/// The CPUs that a quota of time in each period comes to.
fn cpus(quota: u64, period: u64) -> Option<usize> {
    (period > 0).then(|| quota.div_ceil(period)).and_then(|cpus| usize::try_from(cpus).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_another_view_is_looked_for_at_the_top_of_the_mount() {
        for root in ["/docker/abc", "/"] {
            let mounts = format!("1 0 0:1 {root} /cg rw - cgroup2 none rw");
            let group = groups(&mounts, "0::/../../other").remove(0);
            assert_eq!(group.folders().collect::<Vec<_>>(), [PathBuf::from("/cg/")]);
        }
    }

    #[test]
    fn lines_that_mean_nothing_here_are_passed_over() {
        let mounts = "garbage\n1 0 0:1 / /cg rw shared:1 master:2 - cgroup none rw,pids\n";
        assert_eq!(groups(mounts, "3:pids:/a\nx\n1:name=systemd:/b\n0::/c"), []);
        assert_eq!(cpus(100, 0), None);
    }
}
