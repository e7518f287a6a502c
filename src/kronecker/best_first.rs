//! The multi-indices of a grid in the order of a key, one after the other, without the grid.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Multi-indices by nonincreasing key; of equal keys the smaller index comes first. The key must not
/// increase where an index does.
///
/// Every index has one parent, itself with its last nonzero place one less, whose key is no smaller:
/// a heap of the children of what was given out holds the next. O(d log) time and O(d) memory an
/// index given out.
pub(super) struct BestFirst<K: Ord, F> {
    sizes: Vec<usize>,
    key: F,
    heap: BinaryHeap<(K, Reverse<Vec<usize>>)>,
}

impl<K: Ord, F: Fn(&[usize]) -> K> BestFirst<K, F> {
    pub(super) fn new(sizes: Vec<usize>, key: F) -> Self {
        let mut heap = BinaryHeap::new();
        if sizes.iter().all(|n| *n > 0) {
            let first = vec![0; sizes.len()];
            heap.push((key(&first), Reverse(first)));
        }
        Self { sizes, key, heap }
    }
}

impl<K: Ord, F: Fn(&[usize]) -> K> Iterator for BestFirst<K, F> {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let (_, Reverse(index)) = self.heap.pop()?;
        let last = index.iter().rposition(|i| *i > 0).unwrap_or(0);
        for k in last..index.len() {
            if index[k] + 1 < self.sizes[k] {
                let mut child = index.clone();
                child[k] += 1;
                self.heap.push(((self.key)(&child), Reverse(child)));
            }
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_once_and_in_order() {
        let lists = [vec![9, 5, 5, 0], vec![7], vec![4, 1, 0]];
        let key = |i: &[usize]| lists[0][i[0]] * lists[1][i[1]] * lists[2][i[2]];
        let found: Vec<_> = BestFirst::new(vec![4, 1, 3], key).collect();
        assert!(found.is_sorted_by(|a, b| (key(b), a) <= (key(a), b)), "{found:?}");
        let mut all = found.clone();
        all.sort();
        all.dedup();
        assert_eq!((found.len(), all.len()), (12, 12));
        assert_eq!(BestFirst::new(vec![2, 0], |_| 1).count(), 0);
    }
}
