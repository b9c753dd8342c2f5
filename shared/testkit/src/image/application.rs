//! Layers to measure with.

use super::{Layer, noise};

/// A layer as those of a Python application are: many small texts, some programs, one large file; about 27 MB. Layers of
/// different numbers share half of their paths, and every second layer deletes something.
pub fn application(number: usize) -> Vec<u8> {
    let line =
        |file: usize, at: usize| format!("    value_{} = compute({number}, {at}, table[{file}])\n", at % 37);
    let text = |file: usize| (0..60 + file * 7 % 400).map(|at| line(file, at)).collect::<String>();
    let mut layer = Layer::default();
    for file in 0..2000 {
        let of = if file % 2 == 0 { 0 } else { number };
        layer =
            layer.file(&format!("usr/lib/python3/package_{of}_{}/module_{file}.py", file % 40), text(file));
    }
    for file in 0..30 {
        let half = [noise(100_000 + number), text(file).repeat(6).into_bytes()].concat();
        layer = layer.program(&format!("usr/lib/x86_64/library_{number}_{file}.so"), 0o755, half);
    }
    if number % 2 == 1 {
        layer = layer.whiteout(&format!("usr/lib/x86_64/library_{}_7.so", number - 1));
    }
    layer.file(&format!("usr/share/large_{number}"), noise((6 << 20) + number)).bytes()
}
