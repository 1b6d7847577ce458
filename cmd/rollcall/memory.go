package main

import (
	"os"
	"runtime/debug"
)

// softLimit is where the garbage collector begins to work harder to keep the
// memory small, in octets. A plan of a million entries lives well below it.
const softLimit = 1500 << 20

// tuneMemory keeps a plan of a million entries below two gigabytes. The
// standard variable GOMEMLIMIT prevails.
func tuneMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}
