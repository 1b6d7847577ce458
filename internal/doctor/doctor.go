// Package doctor holds what a diagnosis of a directory or of a console is made of:
// named checks in order, each with finding, evidence and remedy.
//
// A check needs others to have passed. Where one of these has failed it is not
// made, and says which one stands in its way:
//
//	dns ──> tcp ──> tls ──> signing ──> login ──> ...
//	         └ failed        └ skipped   └ skipped: tcp of ldaps://dc1 failed
package doctor

import (
	"fmt"
	"time"
)

// Status is the outcome of a check.
type Status string

const (
	OK      Status = "ok"
	Warning Status = "warning" // it works, and something should be done
	Failed  Status = "failed"
	Skipped Status = "skipped" // not made
)

// Statuses are all outcomes, the best first.
var Statuses = []Status{OK, Warning, Failed, Skipped}

// The names of checks.
const (
	DNS      = "dns"
	TCP      = "tcp"
	TLS      = "tls"
	Signing  = "signing"
	Login    = "login"
	Server   = "server"
	Password = "password"
	Clock    = "clock"
	Catalog  = "global-catalog"
	Base     = "base"
	Right    = "right"
	Paging   = "paging"
	Ranges   = "ranges"
	Changes  = "changes"
	Deleted  = "deleted"
	Files    = "files"
	Read     = "read"
	Entries  = "entries"
	Reach    = "reach"
	Facts    = "facts"
	Finding  = "finding"
)

// Names are all names of checks, in the order in which they are made.
var Names = []string{DNS, TCP, TLS, Signing, Login, Server, Password, Clock, Catalog, Base, Right, Paging, Ranges, Changes, Deleted, Files, Read, Entries, Reach, Facts, Finding}

// Check is one test and its outcome.
type Check struct {
	Name string
	// Subject is what was tested: a server, a scope, a file.
	Subject string
	Status  Status
	// Finding says in a sentence what is the case.
	Finding string
	// Evidence is what the finding rests on, a fact each.
	Evidence []string
	// Remedy says what to do; "" where nothing is to be done.
	Remedy string
}

// Pass ends the check well.
func (c *Check) Pass(finding string, evidence ...string) { c.end(OK, finding, "", evidence) }

// Warn ends it with something to be done.
func (c *Check) Warn(finding, remedy string, evidence ...string) {
	c.end(Warning, finding, remedy, evidence)
}

// Fail ends it badly.
func (c *Check) Fail(finding, remedy string, evidence ...string) {
	c.end(Failed, finding, remedy, evidence)
}

// Skip ends it as not made.
func (c *Check) Skip(reason string) { c.end(Skipped, reason, "", nil) }

func (c *Check) end(s Status, finding, remedy string, evidence []string) {
	c.Status, c.Finding, c.Remedy, c.Evidence = s, finding, remedy, evidence
}

// Report is the diagnosis of a directory or of a console.
type Report struct {
	// Name is its label, Kind that of the configuration.
	Name, Kind string
	Checks     []*Check
	// Refused is true if the credentials were refused.
	Refused bool
}

// Found is what somebody else has found, such as a connector. Status is one of
// [Statuses].
type Found struct{ Check, Status, Evidence, Remedy string }

// Findings makes a check of each.
func (r *Report) Findings(found []Found) {
	for i := range found {
		f := &found[i]
		r.Check(Finding, f.Check, func(k *Check) {
			switch Status(f.Status) {
			case Warning:
				k.Warn(f.Evidence, f.Remedy)
			case Failed:
				k.Fail(f.Evidence, f.Remedy)
			default:
				k.Pass(f.Evidence)
			}
		})
	}
}

// Check makes a test that needs others to have passed, warnings included. A
// test that says nothing is a mistake of its author.
func (r *Report) Check(name, subject string, test func(*Check), needs ...*Check) *Check {
	c := &Check{Name: name, Subject: subject}
	r.Checks = append(r.Checks, c)
	for _, n := range needs {
		switch n.Status {
		case Failed:
			c.Skip(fmt.Sprintf("not tested, because %s of %s failed", n.Name, n.Subject))
			return c
		case Skipped:
			c.Skip(n.Finding)
			return c
		}
	}
	if test(c); c.Status == "" {
		panic("check " + name + " has no outcome")
	}
	return c
}

// Count returns how many checks had an outcome.
func (r *Report) Count(s Status) int {
	n := 0
	for _, c := range r.Checks {
		if c.Status == s {
			n++
		}
	}
	return n
}

// Expiry is how long before its end a certificate or a password is warned of.
const Expiry = 30 * 24 * time.Hour
