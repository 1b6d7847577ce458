package plan_test

import "time"

var began = time.Now()

// spent returns how long the process runs.
func spent() time.Duration { return time.Since(began) }
