//! Panics on request, so that tests of debug builds can see what becomes of the rest when a thread panics. Knows threads by
//! their names only.

/// Panics if the variable `SKIPLANE_PANICS_IN` has the name of this thread, in a debug build.
pub(crate) fn if_asked() {
    #[cfg(debug_assertions)]
    {
        let thread = std::thread::current();
        let asked = std::env::var("SKIPLANE_PANICS_IN").is_ok_and(|name| Some(&*name) == thread.name());
        assert!(!asked, "asked to panic");
    }
}
