package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/lint"
)

// jsonText is a value as it came, of which nothing that acts on a terminal is
// written raw.
type jsonText string

func (t jsonText) MarshalJSON() ([]byte, error) {
	return identity.AppendJSONString(nil, string(t)), nil
}

// listHere stands in a document for a list that is written item by item, so
// that a long one is never in memory as a whole.
const listHere = "\x00list"

// writeListed writes a document as JSON, with a list in place of [listHere]. Its
// brackets are indented by the given prefix.
func writeListed(w io.Writer, document any, prefix string, n int, item func(i int) any) error {
	var b bytes.Buffer
	encode := func(v any, prefix string) error {
		b.Reset()
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent(prefix, "  ")
		return e.Encode(v)
	}
	if err := encode(document, ""); err != nil {
		return err
	}
	head, tail, _ := strings.Cut(b.String(), `"\u0000list"`)
	out := bufio.NewWriterSize(w, 64<<10)
	out.WriteString(head + "[")
	separator := "\n"
	for i := range n {
		if err := encode(item(i), prefix+"  "); err != nil {
			return err
		}
		out.WriteString(separator + prefix + "  ")
		out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
		separator = ",\n"
	}
	if n > 0 {
		out.WriteString("\n" + prefix)
	}
	out.WriteString("]" + tail)
	return out.Flush()
}

type jsonEntry struct {
	Directory jsonText `json:"directory"`
	Scope     jsonText `json:"scope"`
	DN        jsonText `json:"dn"`
	GUID      jsonText `json:"guid"`
}

type jsonListing struct {
	jsonEntry
	Attribute jsonText `json:"attribute"`
	Value     jsonText `json:"value"`
}

func entryJSON(e *lint.Entry) jsonEntry {
	return jsonEntry{jsonText(e.Directory), jsonText(e.Scope), jsonText(e.DN), jsonText(e.GUID)}
}

func othersJSON(f *lint.Finding) []jsonListing {
	list := []jsonListing{}
	for i := range f.Others {
		o := &f.Others[i]
		list = append(list, jsonListing{entryJSON(&o.Entry), jsonText(o.Attribute), jsonText(o.Value)})
	}
	return list
}

// LintJSON writes findings as the document of docs/reference/lint.md.
func LintJSON(w io.Writer, l *Lint) error {
	type directory struct {
		Name    string `json:"name"`
		Kind    string `json:"kind"`
		Server  string `json:"server"`
		Objects int    `json:"objects"`
	}
	type finding struct {
		Severity string `json:"severity"`
		Code     string `json:"code"`
		jsonListing
		Message    jsonText      `json:"message"`
		Advice     string        `json:"advice"`
		Others     []jsonListing `json:"others"`
		OthersMore int           `json:"others_more"`
		PowerShell string        `json:"powershell"`
		LDIF       string        `json:"ldif"`
	}
	document := struct {
		FormatVersion string         `json:"format_version"`
		Version       string         `json:"rollcall_version"`
		Created       time.Time      `json:"created"`
		Directories   []directory    `json:"directories"`
		Summary       map[string]int `json:"summary"`
		LeftOut       int            `json:"left_out"`
		Findings      string         `json:"findings"`
	}{"1.0", l.Version, l.Created.UTC().Truncate(time.Second), []directory{}, map[string]int{}, l.LeftOut(), listHere}
	for i := range l.Directories {
		d := &l.Directories[i]
		document.Directories = append(document.Directories, directory{d.Name, d.Kind, d.Server, d.Scanned})
	}
	for _, s := range lint.Severities {
		document.Summary[s.String()] = l.Count(s)
	}
	for _, c := range lint.Codes() {
		document.Summary[c.String()] = l.Counts[c]
	}
	return writeListed(w, document, "  ", len(l.Findings), func(i int) any {
		f := &l.Findings[i]
		change := f.Change()
		return finding{f.Severity().String(), f.Code.String(), jsonListing{entryJSON(&f.Entry), jsonText(f.Attribute), jsonText(f.Value)},
			jsonText(f.Message()), f.Advice(), othersJSON(f), f.More, change.PowerShell(), change.LDIF()}
	})
}

// sarifLevels are the severities in the words of SARIF.
var sarifLevels = [...]string{lint.Info: "note", lint.Warning: "warning", lint.Error: "error"}

// sarifText writes a text as a message of SARIF, in which brackets begin links
// and braces placeholders (sections 3.11.5 and 3.11.6).
func sarifText(s string) jsonText { return jsonText(asSARIF.Replace(s)) }

var asSARIF = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `{`, `{{`, `}`, `}}`)

// LintSARIF writes findings as SARIF 2.1.0 (OASIS), for tools that collect such
// of many programs. An entry is a logical location, its fully qualified name
// the directory and the DN; the repairs are properties.
func LintSARIF(w io.Writer, l *Lint) error {
	type text struct {
		Text jsonText `json:"text"`
	}
	type configuration struct {
		Level string `json:"level"`
	}
	type rule struct {
		ID                   string        `json:"id"`
		ShortDescription     text          `json:"shortDescription"`
		FullDescription      text          `json:"fullDescription"`
		Help                 text          `json:"help"`
		DefaultConfiguration configuration `json:"defaultConfiguration"`
	}
	type driver struct {
		Name           string `json:"name"`
		Version        string `json:"version"`
		InformationURI string `json:"informationUri"`
		Rules          []rule `json:"rules"`
	}
	type tool struct {
		Driver driver `json:"driver"`
	}
	type run struct {
		Tool       tool   `json:"tool"`
		ColumnKind string `json:"columnKind"`
		Results    string `json:"results"`
	}
	type logical struct {
		Name               jsonText `json:"name"`
		FullyQualifiedName jsonText `json:"fullyQualifiedName"`
		Kind               string   `json:"kind"`
	}
	type location struct {
		// ID tells related locations apart, of which two may have one name.
		ID               int       `json:"id,omitempty"`
		LogicalLocations []logical `json:"logicalLocations"`
	}
	type properties struct {
		jsonListing
		PowerShell string `json:"powershell"`
		LDIF       string `json:"ldif"`
	}
	type result struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               string            `json:"level"`
		Message             text              `json:"message"`
		Locations           []location        `json:"locations"`
		RelatedLocations    []location        `json:"relatedLocations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
		Properties          properties        `json:"properties"`
	}
	at := func(id int, e *lint.Entry) location {
		return location{id, []logical{{jsonText(e.DN), jsonText(e.Directory + ": " + e.DN), "object"}}}
	}
	all := run{Tool: tool{driver{"rollcall lint", l.Version, "https://github.com/rollcall-cli/rollcall", []rule{}}}, ColumnKind: "utf16CodeUnits", Results: listHere}
	for _, c := range lint.Codes() {
		all.Tool.Driver.Rules = append(all.Tool.Driver.Rules, rule{c.String(), text{sarifText(c.Meaning())}, text{sarifText(c.Matters())}, text{sarifText(c.Advice())}, configuration{sarifLevels[c.Severity()]}})
	}
	document := struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []run  `json:"runs"`
	}{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []run{all}}
	return writeListed(w, document, "      ", len(l.Findings), func(i int) any {
		f := &l.Findings[i]
		change := f.Change()
		r := result{f.Code.String(), int(f.Code), sarifLevels[f.Severity()], text{sarifText(f.Message())}, []location{at(0, &f.Entry)}, []location{},
			map[string]string{"rollcall/v1": f.Fingerprint()},
			properties{jsonListing{entryJSON(&f.Entry), jsonText(f.Attribute), jsonText(f.Value)}, change.PowerShell(), change.LDIF()}}
		for j := range f.Others {
			r.RelatedLocations = append(r.RelatedLocations, at(j+1, &f.Others[j].Entry))
		}
		return r
	})
}
