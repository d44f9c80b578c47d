//! Prevents memory dumps, which would contain secrets.

/// SECURITY: disables core dumps of this process and access to its memory by other processes of the same user. Logs a
/// warning if the system does not support it.
#[cfg(target_os = "linux")]
pub(super) fn forbid() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let zero = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, zero) {
        tracing::warn!(%error, "cannot set the core dump limit to zero");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "cannot make the process non-dumpable");
    }
}

/// Does nothing: only Linux has both calls.
#[cfg(not(target_os = "linux"))]
pub(super) fn forbid() {}
