//! How many heaps the system's allocator keeps.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// glibc's setting, which it reads when a program starts.
const SETTING: &str = "MALLOC_ARENA_MAX";

/// Begins this program anew, as the same process, with two heaps at the most, unless the operator said how many there are to
/// be. To be called before any thread is started.
///
/// Many threads pass large buffers on to each other. With a heap for each of them the factory takes half as much memory again,
/// and is no faster. An allocator of our own took more still (mimalloc 0.1: 370 MB where this takes 195).
pub fn few() {
    if std::env::var_os(SETTING).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut words = std::env::args_os();
    let Some(name) = words.next() else { return };
    // It only comes back when it failed: then there are as many heaps as there are.
    let _ = Command::new(program).arg0(name).args(words).env(SETTING, "2").exec();
}
