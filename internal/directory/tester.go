package directory

import "context"

// Tester is a source that can be held to what rollcall relies on, such as a program of
// the user's.
type Tester interface {
	// Test makes all tests, with what the scopes read, and reports each as it ends. It
	// changes nothing. The error is that of ctx, or says why nothing can be tested; what
	// the source does wrong is a result.
	Test(ctx context.Context, scopes []Scope, report func(TestResult)) error
}

// TestResult is what came of one test.
type TestResult struct {
	Name string
	// Asks is a sentence: what is asked of the source.
	Asks    string
	Outcome TestOutcome
	// Found says what the source did, or why the test does not apply.
	Found string
}

// TestOutcome is how a test ended.
type TestOutcome string

// The outcomes of tests.
const (
	Passed    TestOutcome = "passed"
	NotPassed TestOutcome = "failed"
	Skipped   TestOutcome = "skipped" // it does not apply
)
