package doctor

import (
	"slices"
	"testing"
)

func TestCheck(t *testing.T) {
	r := &Report{Name: "corp"}
	fail := func(c *Check) { c.Fail("nothing listens", "start it", "refused") }
	pass := func(c *Check) { c.Pass("fine", "very") }
	warn := func(c *Check) { c.Warn("late", "hurry") }
	never := func(c *Check) { t.Errorf("%s was tested", c.Name) }

	dns := r.Check(DNS, "dc1", pass)
	tcp := r.Check(TCP, "dc1", fail, dns)
	tls := r.Check(TLS, "dc1", never, dns, tcp)
	r.Check(Login, "dc1", never, tls)
	other := r.Check(TCP, "dc2", warn)
	r.Check(TLS, "dc2", pass, other)

	want := []Check{
		{Name: DNS, Subject: "dc1", Status: OK, Finding: "fine", Evidence: []string{"very"}},
		{Name: TCP, Subject: "dc1", Status: Failed, Finding: "nothing listens", Evidence: []string{"refused"}, Remedy: "start it"},
		{Name: TLS, Subject: "dc1", Status: Skipped, Finding: "not tested, because tcp of dc1 failed"},
		{Name: Login, Subject: "dc1", Status: Skipped, Finding: "not tested, because tcp of dc1 failed"},
		{Name: TCP, Subject: "dc2", Status: Warning, Finding: "late", Remedy: "hurry"},
		{Name: TLS, Subject: "dc2", Status: OK, Finding: "fine", Evidence: []string{"very"}},
	}
	for i, c := range r.Checks {
		w := want[i]
		if c.Name != w.Name || c.Subject != w.Subject || c.Status != w.Status || c.Finding != w.Finding || c.Remedy != w.Remedy || !slices.Equal(c.Evidence, w.Evidence) {
			t.Errorf("check %d is %+v, want %+v", i, *c, w)
		}
	}
	for s, n := range map[Status]int{OK: 2, Warning: 1, Failed: 1, Skipped: 2} {
		if got := r.Count(s); got != n {
			t.Errorf("%d are %s, want %d", got, s, n)
		}
	}
}

func TestCheckWithoutOutcome(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a test may end without an outcome")
		}
	}()
	(&Report{}).Check(DNS, "dc1", func(*Check) {})
}
