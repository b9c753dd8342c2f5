//! Planned, filled and proved piece by piece, a flat layer is the same, and so is its certificate.

use std::io;

use flatten::{Certificate, Composer, Cuts, Keep, Piece, Plan, Tree, prove};

struct Nothing;

impl Keep for Nothing {
    fn read(&mut self, _: &[u8; 32], _: u32, _: usize, _: &mut Vec<u8>) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}

pub fn check(tree: &Tree<'_>, out: &[u8], certificate: &Certificate) {
    for cuts in [Cuts::default(), Cuts { min: 600, average: 2000, max: 3 << 20 }] {
        let mut plan = Plan::of(tree, cuts);
        let (mut composer, mut at) = (Composer::new(), 0);
        for piece in plan.pieces().to_vec() {
            match piece {
                Piece::Batch { entries, key, size, last, .. } => {
                    let mut plain = Vec::new();
                    plan.fill(entries, last, &mut Nothing, &mut plain).unwrap();
                    assert_eq!(plain.len(), size);
                    assert!(out[at..at + size] == plain, "the pieces are the whole");
                    let proof = prove(&plain).unwrap();
                    assert_eq!(proof.key, key, "planned and read back");
                    composer.batch(&proof.bytes).unwrap();
                    at += size;
                    damage(&plain, &key);
                }
                Piece::Large { content, .. } => {
                    let size = content.size as usize;
                    assert_eq!(*blake3::hash(&out[at..at + size]).as_bytes(), content.digest);
                    composer.content(&content.digest, content.size).unwrap();
                    at += size.next_multiple_of(512);
                }
            }
        }
        assert_eq!(at, out.len());
        assert_eq!(composer.finish().unwrap(), *certificate, "put together from proofs");
    }
}

/// A byte gone bad is another key, or no batch at all.
fn damage(plain: &[u8], key: &[u8; 32]) {
    let mut bad = plain.to_vec();
    let at = key.iter().map(|byte| usize::from(*byte)).sum::<usize>() * 7919 % bad.len();
    bad[at] ^= 1;
    assert!(prove(&bad).map_or(true, |proof| proof.key != *key), "byte {at}");
    assert!(prove(&plain[..plain.len() - 1]).is_err());
}
