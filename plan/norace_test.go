//go:build !race

package plan_test

// raceDetector is set where tests run under the race detector.
const raceDetector = false
