package render

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/doctor"
)

// Diagnosis is a run of doctor.
type Diagnosis struct {
	// Version is that of the program, Created the time of the run.
	Version string
	Created time.Time
	// Directories, Console, State and Channels are what was tested; Console and State,
	// where it is in a file, may be nil.
	Directories []*doctor.Report
	Console     *doctor.Report
	State       *doctor.Report
	Channels    []*doctor.Report
}

// Reports are those of the directories, then those of the console and the state, and
// then those of channels.
func (d *Diagnosis) Reports() []*doctor.Report {
	all := slices.Clone(d.Directories)
	if d.Console != nil {
		all = append(all, d.Console)
	}
	if d.State != nil {
		all = append(all, d.State)
	}
	return append(all, d.Channels...)
}

// noun says what a report is of, "" for a directory.
func (d *Diagnosis) noun(r *doctor.Report) string {
	switch {
	case r == d.Console:
		return "console"
	case r == d.State:
		return "state"
	case slices.Contains(d.Channels, r):
		return "notify"
	}
	return ""
}

// count returns how many checks had an outcome.
func (d *Diagnosis) count(s doctor.Status) int {
	n := 0
	for _, r := range d.Reports() {
		n += r.Count(s)
	}
	return n
}

// signOf marks the outcome of a check as text.
func signOf(s doctor.Status) span {
	switch s {
	case doctor.OK:
		return span{"ok", green}
	case doctor.Warning:
		return span{"warn", yellow}
	case doctor.Failed:
		return span{"FAIL", red}
	}
	return span{"skip", dim}
}

// totals counts the checks by outcome, in words.
func (d *Diagnosis) totals() string {
	parts := make([]string, len(doctor.Statuses))
	for i, s := range doctor.Statuses {
		n, what := d.count(s), string(s)
		if s == doctor.Warning {
			what = oneOf(n, what, what+"s")
		}
		parts[i] = number(n) + " " + what
	}
	return strings.Join(parts, ", ")
}

// skippedAlike returns how many of the checks, from the first on, were skipped
// for the same reason.
func skippedAlike(checks []*doctor.Check) int {
	n := 0
	for n < len(checks) && checks[n].Status == doctor.Skipped && checks[n].Finding == checks[0].Finding {
		n++
	}
	return n
}

// DiagnosisText writes a diagnosis for a person: a line a check below what was
// tested and, where something is to be done, what shows that and how. Checks
// that were skipped in a row for the same reason share a line. Only the width
// and the colour of the options count.
func DiagnosisText(w io.Writer, d *Diagnosis, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	names := 0
	for _, r := range d.Reports() {
		for _, c := range r.Checks {
			names = max(names, cells(c.Name))
		}
	}
	const name = nested + 4 + gap
	for _, r := range d.Reports() {
		kind := clean(r.Kind)
		if noun := d.noun(r); noun != "" {
			kind += " " + noun
		}
		o.put(bold, clean(r.Name))
		o.next(0, margin, styled(dim, kind))
		o.end()
		subject := ""
		for i := 0; i < len(r.Checks); i++ {
			c := r.Checks[i]
			if c.Subject != subject {
				subject = c.Subject
				o.at(margin)
				o.put(plain, clean(subject))
				o.end()
			}
			sign := signOf(c.Status)
			o.at(nested)
			o.put(sign.style, sign.text)
			o.at(name)
			if n := skippedAlike(r.Checks[i:]); n > 1 {
				var skipped []string
				for _, c := range r.Checks[i : i+n] {
					if !slices.Contains(skipped, c.Name) {
						skipped = append(skipped, c.Name)
					}
				}
				o.prose(name, "", plain, strings.Join(skipped, ", ")+": "+clean(c.Finding))
				i += n - 1
				continue
			}
			o.put(plain, c.Name)
			o.prose(name+names+gap, "", plain, clean(c.Finding))
			if c.Status != doctor.Warning && c.Status != doctor.Failed {
				continue
			}
			for _, fact := range c.Evidence {
				o.prose(name+names+gap, "- ", dim, clean(fact))
			}
			if c.Remedy != "" {
				o.prose(name+names+gap, "hint: ", bold, clean(c.Remedy))
			}
		}
		o.end()
	}
	o.line(bold, "%s", d.totals())
	return o.flush()
}

// DiagnosisJSON writes a diagnosis as the document of docs/reference/doctor.md.
func DiagnosisJSON(w io.Writer, d *Diagnosis) error {
	type check struct {
		Name     string        `json:"name"`
		Subject  string        `json:"subject"`
		Status   doctor.Status `json:"status"`
		Finding  string        `json:"finding"`
		Evidence []string      `json:"evidence"`
		Remedy   string        `json:"remedy"`
	}
	type report struct {
		Name    string  `json:"name"`
		Kind    string  `json:"kind"`
		Refused bool    `json:"refused"`
		Checks  []check `json:"checks"`
	}
	document := struct {
		FormatVersion string                `json:"format_version"`
		Version       string                `json:"rollcall_version"`
		Created       time.Time             `json:"created"`
		Summary       map[doctor.Status]int `json:"summary"`
		Directories   []report              `json:"directories"`
		Console       *report               `json:"console"`
		State         *report               `json:"state"`
		Channels      []report              `json:"channels"`
	}{"1.0", d.Version, d.Created.UTC().Truncate(time.Second), map[doctor.Status]int{}, []report{}, nil, nil, []report{}}
	for _, s := range doctor.Statuses {
		document.Summary[s] = d.count(s)
	}
	reported := func(r *doctor.Report) report {
		list := report{r.Name, r.Kind, r.Refused, []check{}}
		for _, c := range r.Checks {
			list.Checks = append(list.Checks, check{c.Name, c.Subject, c.Status, c.Finding, append([]string{}, c.Evidence...), c.Remedy})
		}
		return list
	}
	for _, r := range d.Directories {
		document.Directories = append(document.Directories, reported(r))
	}
	if d.Console != nil {
		console := reported(d.Console)
		document.Console = &console
	}
	if d.State != nil {
		state := reported(d.State)
		document.State = &state
	}
	for _, r := range d.Channels {
		document.Channels = append(document.Channels, reported(r))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

// DiagnosisMarkdown writes a diagnosis for a ticket: what it comes to, and a
// table a directory.
func DiagnosisMarkdown(w io.Writer, d *Diagnosis) error {
	var b strings.Builder
	var names []string
	name := func(r *doctor.Report) string {
		if noun := d.noun(r); noun != "" {
			return noun + " " + markdown(r.Name)
		}
		return markdown(r.Name)
	}
	for _, r := range d.Reports() {
		names = append(names, name(r))
	}
	fmt.Fprintf(&b, "# rollcall doctor: %s\n\nrollcall %s, %s: %s\n\n", strings.Join(names, ", "), markdown(d.Version), moment(d.Created), d.totals())
	for _, r := range d.Reports() {
		fmt.Fprintf(&b, "## %s\n\n| | check | of | finding | what to do |\n|---|---|---|---|---|\n", name(r))
		for _, c := range r.Checks {
			finding := markdown(c.Finding)
			for _, fact := range c.Evidence {
				finding += "<br>• " + markdown(fact)
			}
			b.WriteString(tableRow(signOf(c.Status).text, markdown(c.Name), markdown(c.Subject), finding, markdown(c.Remedy)))
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
