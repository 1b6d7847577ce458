package main

import (
	"strings"
	"testing"
)

// explained is an explanation as data.
type explained struct {
	Answer   string
	Warnings []string
	Outside  []struct {
		DN     string
		Scopes []struct {
			Obstacles []struct{ Code string }
		}
	}
	Addresses []struct {
		Listed []struct {
			DN     string
			Values []struct{ Attribute, Value string }
		}
	}
	Actions []struct{ Kind, PowerShell, LDIF string }
}

// TestExplainLive: what a directory lists and how, what a search finds outside
// of the scopes, and what changes it, is the same of every kind.
func TestExplainLive(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			ann := &object{name: "Ann Smith", ou: staffUnit, username: "ann", primary: "ann@example.com", aliases: []string{"desk@example.com"}}
			bob := &object{name: "Bob Brown", ou: staffUnit, username: "bob", primary: "bob@example.com", aliases: []string{"desk@example.com"}}
			sue := &object{name: "Sue Stone", ou: leftUnit, username: "sue", primary: "sue@example.com"}
			s := worldSite(t, k, k.begin(t, []string{staffUnit, leftUnit}, []*object{ann, bob, sue}), staffUnit)

			var desk explained
			s.decode(&desk, "explain", "desk@example.com", "-o", "json")
			if len(desk.Warnings) > 0 || len(desk.Outside) > 0 || len(desk.Addresses) != 1 || len(desk.Addresses[0].Listed) != 2 {
				t.Fatalf("%+v", desk)
			}
			for n, l := range desk.Addresses[0].Listed {
				if len(l.Values) != 1 || !strings.HasSuffix(l.Values[0].Value, "desk@example.com") {
					t.Fatalf("%s lists it as %v", l.DN, l.Values)
				}
				v := l.Values[0]
				if change := "\ndelete: " + v.Attribute + "\n" + v.Attribute + ": " + v.Value + "\n"; len(desk.Actions) != 2 || !strings.Contains(desk.Actions[n].LDIF, change) {
					t.Errorf("%+v: not %s", desk.Actions, change)
				}
			}

			for _, subject := range []string{"sue@example.com", "sue", sue.dn()} {
				var x explained
				s.decode(&x, "explain", subject, "-o", "json")
				if len(x.Outside) != 1 || !strings.EqualFold(x.Outside[0].DN, sue.dn()) || x.Outside[0].Scopes[0].Obstacles[0].Code != "outside_base" {
					t.Errorf("%s: %+v", subject, x)
				}
			}
		})
	}
}
