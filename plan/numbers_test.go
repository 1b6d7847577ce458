package plan

import "testing"

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		n, of int
		want  string
	}{
		{0, 0, "0%"}, {0, 5, "0%"}, {5, 5, "100%"}, {1, 2, "50%"}, {1, 21, "4.8%"}, {1, 16, "6.3%"}, {1, 2000, "less than 0.1%"}, {1, 1000, "0.1%"},
		{9_996, 10_000, "99.9%"}, {1_999, 2_000, "99.9%"}, {2999, 10_000, "30%"},
	} {
		if got := Percent(tt.n, tt.of); got != tt.want {
			t.Errorf("%d of %d: %s, want %s", tt.n, tt.of, got, tt.want)
		}
	}
}
