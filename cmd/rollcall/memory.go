package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// softLimit is where the garbage collector begins to work harder to keep the memory small,
// in octets: beyond what a plan of a million entries takes. Where more than that is in use, the
// limit is a fifth above it, so that the collector does not run all the time.
const softLimit = 1200 << 20

// manyEntries is from how many entries on memory is collected once they are read: nothing
// else is to be done then, and what the read has left would be there until the end.
const manyEntries = 200_000

// collect frees what the read of so many entries has left.
func collect(entries int) {
	if entries >= manyEntries {
		runtime.GC()
	}
}

// tuneMemory keeps memory near what is in use. The standard variables GOMEMLIMIT and GOGC
// prevail.
func tuneMemory() {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	debug.SetMemoryLimit(softLimit)
	afterCollection()
}

// afterCollection sets the limit anew after each collection.
func afterCollection() {
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetMemoryLimit(max(softLimit, int64(live[0].Value.Uint64())*6/5))
		afterCollection()
	})
}
