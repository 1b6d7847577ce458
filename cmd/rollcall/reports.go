package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/explain"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
)

// report is what a command writes with -o: its name, and the formats that it can be
// written in. What -o offers, what it takes and what a shell completes follow from
// it.
type report[T any] struct {
	name    string
	formats []format[T]
}

// format is the name of a format, and its writer.
type format[T any] struct {
	name  string
	write func(w io.Writer, value T, opt options) error
}

// options are what writers need beside the value.
type options struct {
	render.TextOptions
	separator rune // of csv-excel
}

// The reports, as the tag "report" of a flag -o names them.
var (
	planReport = report[*plan.Plan]{"plan", []format[*plan.Plan]{
		asText(render.Text),
		as("json", func(w io.Writer, p *plan.Plan) error { return p.WriteJSON(w) }),
		asCSV(render.CSV), asExcel(render.CSV),
		{"markdown", func(w io.Writer, p *plan.Plan, opt options) error { return render.Markdown(w, p, opt.Advice) }},
		{"html", func(w io.Writer, p *plan.Plan, opt options) error { return render.HTML(w, p, opt.Advice) }},
	}}
	comparisonReport = report[*render.Comparison]{"comparison", []format[*render.Comparison]{
		asText(render.DifferenceText), as("json", render.DifferenceJSON), asCSV(render.DifferenceCSV), asExcel(render.DifferenceCSV),
		as("markdown", render.DifferenceMarkdown),
	}}
	explanationReport = report[*explain.Document]{"explanation", []format[*explain.Document]{
		asText(render.ExplanationText), as("json", render.ExplanationJSON),
		{"markdown", func(w io.Writer, d *explain.Document, opt options) error {
			return render.ExplanationMarkdown(w, d, opt.All)
		}},
	}}
	runsReport = report[[]run.Run]{"runs", []format[[]run.Run]{
		asText(render.Runs), as("json", writeRuns), asCSV(render.RunsCSV), asExcel(render.RunsCSV), as("markdown", render.RunsMarkdown),
		as("html", render.HistoryHTML),
	}}
	pastReport = report[addressPast]{"past", []format[addressPast]{
		asText(func(w io.Writer, p addressPast, opt render.TextOptions) error {
			return render.PastText(w, p.address, p.runs, opt)
		}),
		as("json", func(w io.Writer, p addressPast) error { return writePast(w, p.runs) }),
		asCSV(writePastCSV), asExcel(writePastCSV),
		as("markdown", func(w io.Writer, p addressPast) error { return render.PastMarkdown(w, p.address, p.runs) }),
		as("html", func(w io.Writer, p addressPast) error { return render.PastHTML(w, p.address, p.runs) }),
	}}
	runReport = report[shownRun]{"run", []format[shownRun]{
		asText(func(w io.Writer, r shownRun, opt render.TextOptions) error {
			return render.RunText(w, r.Record, r.plan, opt)
		}),
		as("json", func(w io.Writer, r shownRun) error { return writeRun(w, r.Record, r.plan) }),
		asCSV(writeRunCSV), asExcel(writeRunCSV),
		{"markdown", func(w io.Writer, r shownRun, opt options) error {
			return render.RunMarkdown(w, r.Record, r.plan, opt.Full)
		}},
	}}
	lintReport = report[*render.Lint]{"lint", []format[*render.Lint]{
		asText(render.LintText), as("json", render.LintJSON), asCSV(render.LintCSV), asExcel(render.LintCSV),
		as("markdown", render.LintMarkdown), as("sarif", render.LintSARIF),
	}}
	diagnosisReport = report[*render.Diagnosis]{"diagnosis", []format[*render.Diagnosis]{
		asText(render.DiagnosisText), as("json", render.DiagnosisJSON), as("markdown", render.DiagnosisMarkdown),
	}}
	testsReport = report[[]render.TestResult]{"tests", []format[[]render.TestResult]{
		asText(render.TestsText), as("json", render.TestsJSON), as("junit", render.TestsJUnit),
	}}
	accountsReport = report[[]identity.Account]{"accounts", []format[[]identity.Account]{
		asText(render.Accounts), as("json", writeAccounts), asCSV(render.AccountsCSV), asExcel(render.AccountsCSV),
		as("markdown", render.AccountsMarkdown),
	}}
	accountReport = report[*identity.Account]{"account", []format[*identity.Account]{
		asText(render.Account), as("json", writeAccount), asCSV(writeAccountCSV), asExcel(writeAccountCSV),
	}}
	consoleReport = report[*render.ConsoleReport]{"console", []format[*render.ConsoleReport]{
		asText(render.ConsoleText), as("json", render.ConsoleJSON),
	}}
	consoleAccountsReport = report[[]render.ConsoleAccount]{"console accounts", []format[[]render.ConsoleAccount]{
		asText(render.ConsoleAccounts), as("json", render.ConsoleAccountsJSON), asCSV(render.ConsoleAccountsCSV), asExcel(render.ConsoleAccountsCSV),
	}}
	consoleTestReport = report[*render.ConsoleTest]{"console test", []format[*render.ConsoleTest]{
		asText(render.ConsoleTestText), as("json", render.ConsoleTestJSON),
	}}
	directoryTestReport = report[*render.DirectoryTest]{"directory test", []format[*render.DirectoryTest]{
		asText(render.DirectoryTestText), as("json", render.DirectoryTestJSON),
	}}
)

// reports are all of them.
var reports = []interface {
	listed() (name string, formats []string)
}{
	&planReport, &comparisonReport, &explanationReport, &runsReport, &pastReport, &runReport, &lintReport, &diagnosisReport, &testsReport,
	&accountsReport, &accountReport, &consoleReport, &consoleAccountsReport, &consoleTestReport,
	&directoryTestReport,
}

// formatsOf returns the names of the formats of a report.
func formatsOf(name string) []string {
	for _, r := range reports {
		if its, formats := r.listed(); its == name {
			return formats
		}
	}
	panic("there is no report " + name)
}

func (r *report[T]) listed() (string, []string) {
	var names []string
	for _, f := range r.formats {
		names = append(names, f.name)
	}
	return r.name, names
}

// takes is an error if a format that was asked for is none of the report's, as that of
// another report of the same command may be.
func (r *report[T]) takes(all outputs) error {
	_, names := r.listed()
	for _, o := range all {
		if !slices.Contains(names, o.format) {
			return usageError{fmt.Errorf("-o: %w", words.Unknown("format of the "+r.name, o.format, names))}
		}
	}
	return nil
}

// write writes a value in every format that was asked for.
func (r *report[T]) write(s *session, all outputs, value T, opt render.TextOptions) error {
	return s.writeOutputs(all, func(w io.Writer, name string, t render.Terminal) error {
		opt.Width, opt.Color = t.Width, t.Color
		for _, f := range r.formats {
			if f.name == name {
				return f.write(w, value, options{opt, s.separator})
			}
		}
		panic("there is no format " + name)
	})
}

func writePastCSV(w io.Writer, p addressPast, d render.Dialect) error {
	return render.PastCSV(w, p.address, p.runs, d)
}

func writeRunCSV(w io.Writer, r shownRun, d render.Dialect) error {
	return render.RunCSV(w, r.Record, r.plan, d)
}

func writeAccountCSV(w io.Writer, a *identity.Account, d render.Dialect) error {
	return render.AccountsCSV(w, []identity.Account{*a}, d)
}

func asText[T any](write func(io.Writer, T, render.TextOptions) error) format[T] {
	return format[T]{"text", func(w io.Writer, value T, opt options) error { return write(w, value, opt.TextOptions) }}
}

func as[T any](name string, write func(io.Writer, T) error) format[T] {
	return format[T]{name, func(w io.Writer, value T, _ options) error { return write(w, value) }}
}

func asCSV[T any](write func(io.Writer, T, render.Dialect) error) format[T] {
	return format[T]{"csv", func(w io.Writer, value T, _ options) error { return write(w, value, render.Dialect{Separator: ','}) }}
}

// asExcel is the csv that Excel opens: it looks for a byte order mark, and for the
// separator of its country, which is a semicolon wherever numbers have decimal commas.
func asExcel[T any](write func(io.Writer, T, render.Dialect) error) format[T] {
	return format[T]{excelFormat, func(w io.Writer, value T, opt options) error {
		return write(w, value, render.Dialect{Separator: opt.separator, Excel: true})
	}}
}

const excelFormat = "csv-excel"
