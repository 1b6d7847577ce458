package state

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Imported is an account from an import file and the line it stood on.
type Imported struct {
	Line    int
	Account identity.Account
}

// ImportError has every line of a file whose account cannot be taken.
type ImportError struct{ Lines []*Error }

func (e *ImportError) Error() string {
	var b strings.Builder
	for i, line := range e.Lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line.Error())
	}
	return b.String()
}

// Hint says what to do next.
func (e *ImportError) Hint() string {
	return "nothing was changed; correct these lines and try again"
}

// maxLine is the longest line of an import, in octets.
const maxLine = 1 << 20

// ReadImport reads accounts as JSON lines, as a JSON array or as CSV with a
// header, whichever the text is, and returns them with their lines. If any is
// malformed, the error is an [ImportError] that names them all, and the others
// are returned as well; name is the file's, for messages.
func ReadImport(name string, r io.Reader) ([]Imported, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	start, err := in.Peek(3)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	im := importer{name: name}
	switch {
	case string(start) == "\ufeff":
		in.Discard(3)
	case len(start) >= 2 && (start[0] == 0xff && start[1] == 0xfe || start[0] == 0xfe && start[1] == 0xff):
		im.fail(1, "the file is UTF-16: save it as UTF-8, in PowerShell with -Encoding utf8")
		return nil, &ImportError{im.errs}
	}
	switch first := firstOctet(in); first {
	case '{':
		im.jsonLines(in)
	case '[':
		im.jsonArray(in)
	default:
		im.csv(in)
	}
	if im.err != nil {
		return nil, im.err
	}
	if len(im.errs) > 0 {
		return im.all, &ImportError{im.errs}
	}
	return im.all, nil
}

// firstOctet returns the first octet that is not white space, without reading
// past it.
func firstOctet(in *bufio.Reader) byte {
	for n := 1; ; n++ {
		b, err := in.Peek(n)
		if err != nil {
			return 0
		}
		if c := b[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
}

type importer struct {
	name string
	dec  identity.Decoder
	all  []Imported
	errs []*Error
	err  error
}

func (im *importer) fail(line int, reason string) {
	im.errs = append(im.errs, &Error{Path: im.name, Line: line, Reason: reason})
}

func (im *importer) take(line int, a identity.Account, err error) {
	if err != nil {
		im.fail(line, err.Error())
		return
	}
	im.all = append(im.all, Imported{line, a})
}

func (im *importer) jsonLines(in io.Reader) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), maxLine)
	n := 0
	for lines.Scan() {
		n++
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			a, err := im.dec.Account(line)
			im.take(n, a, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		im.fail(n+1, fmt.Sprintf("a line of more than %d octets", maxLine))
	} else if err := lines.Err(); err != nil {
		im.err = fmt.Errorf("read %s: %w", im.name, err)
	}
}

// jsonArray reads what "state list -o json" prints.
func (im *importer) jsonArray(in io.Reader) {
	counter := &lineCounter{r: in, line: 1}
	dec := json.NewDecoder(counter)
	if _, err := dec.Token(); err != nil {
		im.fail(1, "not JSON: "+err.Error())
		return
	}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				err = errors.New("the array is cut short")
			}
			im.fail(counter.at(dec.InputOffset()), "not JSON: "+err.Error())
			return
		}
		line := counter.at(dec.InputOffset() - int64(len(raw)))
		if len(raw) > maxLine {
			im.fail(line, fmt.Sprintf("an account of more than %d octets", maxLine))
			continue
		}
		a, err := im.dec.Account(raw)
		im.take(line, a, err)
	}
	if _, err := dec.Token(); err != nil {
		im.fail(counter.at(dec.InputOffset()), "the array is cut short")
	} else if _, err := dec.Token(); err != io.EOF {
		im.fail(counter.at(dec.InputOffset()), "something follows the array")
	}
}

// lineCounter tells on which line an offset lies that was read already.
// Offsets are asked in rising order.
type lineCounter struct {
	r      io.Reader
	offset int64   // octets read
	breaks []int64 // offsets of newlines not asked about yet
	line   int     // line of the offset asked last
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			c.breaks = append(c.breaks, c.offset+int64(i))
		}
	}
	c.offset += int64(n)
	return n, err
}

func (c *lineCounter) at(offset int64) int {
	n := 0
	for n < len(c.breaks) && c.breaks[n] < offset {
		n++
	}
	c.line += n
	c.breaks = c.breaks[n:]
	return c.line
}

// columns are the CSV headers that are understood beside those of attributes,
// in lower case. Mailbox exports have the last two.
var columns = map[string]func(*identity.Raw, string){
	"primary":            func(r *identity.Raw, v string) { r.Primary = v },
	"aliases":            func(r *identity.Raw, v string) { r.Aliases = splitAliases(v) },
	"type":               func(r *identity.Raw, v string) { r.Type = v },
	"status":             func(r *identity.Raw, v string) { r.Status = v },
	"directory":          func(r *identity.Raw, v string) { r.Directory = v },
	"username":           func(r *identity.Raw, v string) { r.Username = v },
	"dn":                 func(r *identity.Raw, v string) { r.DN = v },
	"guid":               func(r *identity.Raw, v string) { r.GUID = v },
	"primarysmtpaddress": func(r *identity.Raw, v string) { r.Primary = v },
}

func splitAliases(v string) []string {
	var all []string
	for alias := range strings.SplitSeq(v, ";") {
		if alias = strings.TrimSpace(alias); alias != "" {
			all = append(all, alias)
		}
	}
	return all
}

func (im *importer) csv(in *bufio.Reader) {
	skipped := 0
	if start, _ := in.Peek(5); string(start) == "#TYPE" {
		// PowerShell's Export-Csv names the type of its objects first.
		in.ReadString('\n')
		skipped = 1
	}
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	r.Comma = separator(in)
	head, err := r.Read()
	if err != nil {
		im.fail(1, "expected JSON lines, or CSV with a header that has a column primary or PrimarySMTPAddress")
		return
	}
	set := make([]func(*identity.Raw, string), len(head))
	seen := map[string]int{}
	for i, name := range head {
		key := strings.ToLower(strings.TrimSpace(name))
		if key == "primarysmtpaddress" {
			key = "primary"
		}
		if !utf8.ValidString(key) || key == "" {
			im.fail(1+skipped, fmt.Sprintf("column %d has no name", i+1))
			return
		}
		if n, twice := seen[key]; twice {
			im.fail(1+skipped, fmt.Sprintf("columns %d and %d are both %q", n, i+1, key))
			return
		}
		seen[key] = i + 1
		set[i] = columns[key]
		if set[i] == nil {
			set[i] = func(r *identity.Raw, v string) { r.Attributes[key] = v }
		}
	}
	if seen["primary"] == 0 {
		im.fail(1+skipped, "the header has no column primary or PrimarySMTPAddress")
		return
	}
	for {
		record, err := r.Read()
		if err == io.EOF {
			return
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			im.fail(syntax.Line+skipped, "not CSV: "+syntax.Err.Error())
			return
		}
		if err != nil {
			im.err = fmt.Errorf("read %s: %w", im.name, err)
			return
		}
		line, _ := r.FieldPos(0)
		line += skipped
		if len(record) != len(head) {
			im.fail(line, fmt.Sprintf("%d fields, and the header has %d", len(record), len(head)))
			continue
		}
		raw := identity.Raw{Attributes: map[string]string{}}
		valid, size := true, 0
		for i, v := range record {
			valid = valid && utf8.ValidString(v)
			size += len(v)
			set[i](&raw, plain(v))
		}
		if size > maxLine {
			im.fail(line, fmt.Sprintf("a line of more than %d octets", maxLine))
			continue
		}
		if !valid {
			im.fail(line, "not valid UTF-8")
			continue
		}
		a, err := im.dec.Raw(raw)
		im.take(line, a, err)
	}
}

// separator tells what separates the columns of a header: a semicolon where
// there is no comma, as spreadsheets write in countries with a decimal comma.
func separator(in *bufio.Reader) rune {
	start, _ := in.Peek(1 << 10)
	head, _, _ := bytes.Cut(start, []byte("\n"))
	if bytes.IndexByte(head, ';') >= 0 && bytes.IndexByte(head, ',') < 0 {
		return ';'
	}
	return ','
}

// plain removes the apostrophe that rollcall puts before cells that a
// spreadsheet would take for a formula.
func plain(v string) string {
	if rest, ok := strings.CutPrefix(v, "'"); ok && identity.Formula(rest) {
		return rest
	}
	return v
}

// Import reads a file as [ReadImport] does and merges its accounts as
// [State.Merge] does. If any line cannot be taken, for whichever reason,
// nothing is added and the error is an [ImportError] that names them all.
func (s *State) Import(name string, r io.Reader) (added, same int, err error) {
	imported, err := ReadImport(name, r)
	var malformed *ImportError
	if err != nil && !errors.As(err, &malformed) {
		return 0, 0, err
	}
	trial := *s
	added, same, err = trial.Merge(name, imported)
	if malformed == nil && err == nil {
		*s = trial
		return added, same, nil
	}
	var conflicts *ImportError
	if malformed != nil && errors.As(err, &conflicts) {
		malformed.Lines = append(malformed.Lines, conflicts.Lines...)
		slices.SortStableFunc(malformed.Lines, func(a, b *Error) int { return a.Line - b.Line })
	}
	if malformed != nil {
		err = malformed
	}
	return 0, 0, err
}

// Merge adds imported accounts to those that are there. An account that is
// there already, the same in every field, is skipped. If an address, or a GUID
// of one directory, would be held twice, nothing is added and the error is an
// [ImportError] that names every such line.
func (s *State) Merge(name string, imported []Imported) (added, same int, err error) {
	type owner struct {
		directory string
		guid      identity.GUID
	}
	type holder struct {
		account *identity.Account
		line    int // 0 for an account of the state
	}
	addresses := make(map[identity.Address]holder, 2*(len(s.Accounts)+len(imported)))
	owners := make(map[owner]holder, len(s.Accounts)+len(imported))
	enter := func(a *identity.Account, line int) {
		h := holder{a, line}
		addresses[a.Primary] = h
		for _, x := range a.Aliases {
			addresses[x] = h
		}
		if !a.Local() {
			owners[owner{a.Directory, a.GUID}] = h
		}
	}
	for i := range s.Accounts {
		enter(&s.Accounts[i], 0)
	}
	var errs []*Error
	next := slices.Clip(s.Accounts)
	for i := range imported {
		a, line := &imported[i].Account, imported[i].Line
		conflict := func(what string, h holder) {
			where := "account " + h.account.Primary.String() + " of the state"
			if h.line > 0 {
				where = fmt.Sprintf("line %d (%s)", h.line, h.account.Primary)
			}
			errs = append(errs, &Error{Path: name, Line: line, Reason: what + " is held by " + where + " already"})
		}
		if h, ok := addresses[a.Primary]; ok && h.line == 0 && bytes.Equal(h.account.AppendJSON(nil), a.AppendJSON(nil)) {
			same++
			continue
		}
		clean := true
		for _, x := range append([]identity.Address{a.Primary}, a.Aliases...) {
			if h, ok := addresses[x]; ok {
				conflict(x.String(), h)
				clean = false
			}
		}
		if h, ok := owners[owner{a.Directory, a.GUID}]; ok && !a.Local() {
			conflict(fmt.Sprintf("GUID %s of directory %q", a.GUID, a.Directory), h)
			clean = false
		}
		if clean {
			enter(a, line)
			next = append(next, *a)
			added++
		}
	}
	if len(errs) > 0 {
		return 0, 0, &ImportError{errs}
	}
	s.Accounts = next
	return added, same, nil
}

// Verify checks what the file's own checks cannot see: that no address is held
// twice, and no GUID of one directory.
func (s *State) Verify(path string) error {
	imported := make([]Imported, len(s.Accounts))
	for i := range s.Accounts {
		imported[i] = Imported{i + 2, s.Accounts[i]}
	}
	_, _, err := (&State{}).Merge(path, imported)
	return err
}
