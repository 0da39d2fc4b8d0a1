//! The page's files, built in.

/// One file of the page.
pub(super) struct File {
    path: &'static str,
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

const FILES: [File; 4] = [
    File { path: "/", kind: "text/html; charset=utf-8", text: include_str!("page/index.html") },
    File {
        path: "/inspector.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("page/inspector.css"),
    },
    File {
        path: "/inspector.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("page/inspector.js"),
    },
    File { path: "/icon.svg", kind: "image/svg+xml", text: include_str!("page/icon.svg") },
];

/// The file at a path.
pub(super) fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}
