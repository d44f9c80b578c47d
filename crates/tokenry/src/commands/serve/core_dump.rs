//! No image of the memory, which holds secrets, is written to a disk.

/// SECURITY: forbids core dumps of this process, and that others of the same user read its memory, as far as the system
/// can forbid it. What it cannot is a warning.
#[cfg(target_os = "linux")]
pub(super) fn forbid() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be limited to nothing");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process cannot be made one whose memory is not dumped");
    }
}

/// Nothing: only Linux is known to have both.
#[cfg(not(target_os = "linux"))]
pub(super) fn forbid() {}
