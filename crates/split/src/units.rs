//! Units: rows that must stay together because they share a group or a text.

use std::collections::HashMap;

use firebrand_dataset::Example;

/// Partitions rows, given by index, into units that share neither a group nor a text. Units are ordered by their first row.
pub(crate) fn units(of: &[usize], rows: &[Example], keys: &[String]) -> Vec<Vec<usize>> {
    let mut forest = Forest { parents: (0..of.len()).collect() };
    let mut texts: HashMap<&str, usize> = HashMap::new();
    let mut groups: HashMap<&str, usize> = HashMap::new();
    for (node, &row) in of.iter().enumerate() {
        forest.join(node, *texts.entry(&keys[row]).or_insert(node));
        if let Some(group) = &rows[row].group {
            forest.join(node, *groups.entry(group).or_insert(node));
        }
    }
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut units: Vec<Vec<usize>> = Vec::new();
    for (node, &row) in of.iter().enumerate() {
        let place = *places.entry(forest.root(node)).or_insert_with(|| {
            units.push(Vec::new());
            units.len() - 1
        });
        units[place].push(row);
    }
    units
}

/// Disjoint sets of nodes.
struct Forest {
    parents: Vec<usize>,
}

impl Forest {
    fn root(&mut self, mut node: usize) -> usize {
        while self.parents[node] != node {
            self.parents[node] = self.parents[self.parents[node]];
            node = self.parents[node];
        }
        node
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The earlier row becomes the root, which keeps paths short.
        self.parents[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaks::key;
    use crate::tests::{row, rows};

    #[test]
    fn groups_and_texts_chain() {
        let rows = rows(&[
            row("a", 0).group("g"),
            row("b", 0),
            row("c", 0).group("h"),
            row("A ", 0).group("h"),
            row("d", 0).group("g"),
            row("not asked", 0).group("g"),
            row("b", 0),
        ]);
        let keys: Vec<String> = rows.iter().map(|row| key(&row.text)).collect();
        assert_eq!(units(&[0, 1, 2, 3, 4, 6], &rows, &keys), [vec![0, 2, 3, 4], vec![1, 6]]);
        assert_eq!(units(&[1, 2], &rows, &keys), [vec![1], vec![2]]);
        assert!(units(&[], &rows, &keys).is_empty());
    }
}
