package plan_test

import "testing"

// FuzzRules lets the fuzzer choose the worlds of TestProperties.
func FuzzRules(f *testing.F) {
	f.Add(uint64(1), uint64(1))
	f.Fuzz(func(t *testing.T, seed, n uint64) {
		in := generate(seed, n)
		if broken := judge(in); broken != "" {
			t.Fatal(report(in))
		}
	})
}
