//! The most memory in use at once. It counts for the whole program: its tests hold [`alone`].

use lowrank::faer::Mat;
use lowrank::matrix::Kernel;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The system's allocator, which remembers how much is in use and the most there was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// An allocator is unsafe to write; this one hands everything on to the system's.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size(), Ordering::Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size(), Ordering::Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Keeps the other tests of the program waiting.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most bytes in use at once while `work` runs, beyond those in use before; its result counts.
pub fn peak<X>(work: impl FnOnce() -> X) -> (X, usize) {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let out = work();
    (out, MOST.load(Ordering::Relaxed) - before)
}

/// Two threads that have asked for what they keep: the workspace of products of matrices.
pub fn two_threads() -> ThreadPool {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let square = Mat::<f64>::ones(512, 512);
    pool.broadcast(|_| {
        let mut out = Mat::<f64>::zeros(512, 512);
        f64::product(out.as_mut(), false, square.as_ref(), square.as_ref());
    });
    pool
}
