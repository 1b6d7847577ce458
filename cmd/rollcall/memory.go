package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// softLimit is where the garbage collector begins to work harder to keep the memory small,
// in octets: beyond what a plan of a million entries takes. Where more than that is in use, the
// limit is a fifth above it, so that the collector does not run all the time.
const softLimit = 800 << 20

// manyEntries is from how many entries on memory is collected once they are read: nothing
// else is to be done then, and what the read has left would be there until the end.
const manyEntries = 200_000

// slack is how many times what is in use once everything is read may be in use until
// memory is collected again. A plan leaves little garbage: to look for it costs a first
// import of a million entries as much as the plan itself.
const slack = 4

// isGathered is set once everything is read.
var isGathered atomic.Bool

// collect frees what the read of so many entries has left.
func collect(entries int) {
	if entries < manyEntries {
		return
	}
	runtime.GC()
	if !tuned() {
		isGathered.Store(true)
		debug.SetGCPercent((slack - 1) * 100)
		setLimit()
	}
}

// tuned reports whether the user has said how memory is to be collected.
func tuned() bool { return os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" }

// tuneMemory keeps memory near what is in use. The standard variables GOMEMLIMIT and GOGC
// prevail.
func tuneMemory() {
	if !tuned() {
		debug.SetMemoryLimit(softLimit)
		afterCollection()
	}
}

// afterCollection sets the limit anew after each collection.
func afterCollection() {
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) {
		setLimit()
		afterCollection()
	})
}

// setLimit sets the limit by what is in use.
func setLimit() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	limit := int64(live[0].Value.Uint64()) * 6 / 5
	if isGathered.Load() {
		limit = int64(live[0].Value.Uint64()) * slack
	}
	debug.SetMemoryLimit(max(softLimit, limit))
}
