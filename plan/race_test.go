//go:build race

package plan_test

// raceDetector is set where tests run under the race detector, which makes
// them many times slower; "make test" runs the properties without it as well.
const raceDetector = true
