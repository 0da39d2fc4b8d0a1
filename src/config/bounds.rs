//! How large and how deep a file may be. Looked at event by event, before there is a tree whose making,
//! reading or dropping could overflow the stack or fill the memory.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Span};

use super::origin::Origin;

/// A hundred times the reference file.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Values and keys, those of aliases counted where they are used.
const MOST_NODES: u64 = 50_000;
/// The deepest setting stands at depth 5.
const DEEPEST: usize = 32;

/// Where a text exceeds the bounds, and how. What is not YAML at all is for the loader to report.
pub(super) fn check(text: &str) -> Result<(), (Origin, String)> {
    if text.len() > MOST_BYTES {
        return Err((Origin::Nowhere, too_large()));
    }
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        tree.take(&event).map_err(|sentence| (origin_of(&span), sentence))?;
    }
    Ok(())
}

/// The sentence about a file over `MOST_BYTES`.
pub(super) fn too_large() -> String {
    format!("the file is larger than {}.", bytesize::ByteSize(MOST_BYTES as u64))
}

fn origin_of(span: &Span) -> Origin {
    Origin::File { line: span.start.line().max(1), column: span.start.col() + 1 }
}

/// How much a node holds: itself and what is in it.
#[derive(Clone, Copy)]
struct Extent {
    nodes: u64,
    height: usize,
}

const SCALAR: Extent = Extent { nodes: 1, height: 1 };

/// The open lists and maps, and what stands behind each anchor.
#[derive(Default)]
struct Tree {
    open: Vec<(usize, Extent)>,
    anchors: HashMap<usize, Extent>,
    nodes: u64,
}

impl Tree {
    fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(_, _, anchor, _) => self.close(*anchor, SCALAR, 1),
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                self.open.push((*anchor, SCALAR));
                self.bound(self.open.len(), 1)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((anchor, extent)) => self.close(anchor, extent, 0),
                None => Ok(()),
            },
            // Without an entry it is inside its own anchor; the loader makes nothing of that.
            Event::Alias(anchor) => {
                let extent = self.anchors.get(anchor).copied().unwrap_or(SCALAR);
                self.close(0, extent, extent.nodes)
            }
            _ => Ok(()),
        }
    }

    /// A node is complete; `new` of its nodes have not been counted yet.
    fn close(&mut self, anchor: usize, extent: Extent, new: u64) -> Result<(), String> {
        self.bound(self.open.len().saturating_add(extent.height), new)?;
        if anchor > 0 {
            self.anchors.insert(anchor, extent);
        }
        if let Some((_, parent)) = self.open.last_mut() {
            parent.nodes = parent.nodes.saturating_add(extent.nodes);
            parent.height = parent.height.max(extent.height + 1);
        }
        Ok(())
    }

    fn bound(&mut self, depth: usize, new: u64) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(new);
        if depth > DEEPEST {
            return Err(format!("this is nested more than {DEEPEST} levels deep; no setting is."));
        }
        if self.nodes > MOST_NODES {
            return Err(format!("the file has more than {MOST_NODES} values, those of its aliases counted."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<String> {
        check(text).err().map(|(_, sentence)| sentence)
    }

    fn chain(links: usize) -> String {
        let links: Vec<String> = (1..links).map(|n| format!("a{n}: &a{n} [*a{}]", n - 1)).collect();
        format!("a0: &a0 [x]\n{}\n", links.join("\n"))
    }

    #[test]
    fn depth_is_that_of_the_tree_with_its_aliases() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(problem(&nested(DEEPEST)), None);
        assert!(problem(&nested(DEEPEST + 1)).unwrap().contains("32 levels"));
        assert_eq!(problem(&chain(DEEPEST - 2)), None);
        assert!(problem(&chain(DEEPEST)).unwrap().contains("32 levels"));
    }

    #[test]
    fn values_are_counted_where_aliases_use_them() {
        let list = |length: usize| format!("[{}]", vec!["x"; length].join(","));
        assert_eq!(problem(&list(MOST_NODES as usize - 1)), None);
        assert!(problem(&list(MOST_NODES as usize)).unwrap().contains("50000 values"));
        // Ten to the ninth values in ten lines.
        let laughs: Vec<String> = (1..10)
            .map(|n| format!("b{n}: &b{n} [{}]", vec![format!("*b{}", n - 1); 10].join(",")))
            .collect();
        let text = format!("b0: &b0 [lol]\n{}\n", laughs.join("\n"));
        assert!(problem(&text).unwrap().contains("50000 values"));
        let twice = "base: &base { window: 3 }\nroutes: [{ a: *base }, { b: *base }]";
        assert_eq!(problem(twice), None);
    }

    #[test]
    fn what_is_no_yaml_or_refers_to_itself_is_left_to_the_loader() {
        for text in ["a: [", "*nobody", "a: &a [*a]", "", "\u{0}", "--- a\n--- b"] {
            assert_eq!(problem(text), None, "{text}");
        }
    }
}
