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

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/spreadsheet"
	"github.com/rollcall-cli/rollcall/internal/words"
)

// Imported is an account from an import file and the line it stood on.
type Imported struct {
	Line    int
	Account identity.Account
	// Export is set for a line of a mailbox export, which says nothing but a
	// primary and its GUID; that may be blank.
	Export bool
}

// Merged is what an import does to the accounts of a state.
type Merged struct {
	// Added are the accounts that are new, in the order of the file.
	Added []identity.Account
	// Repaired are the accounts that get another GUID, in the order of the file.
	Repaired []Repair
	// Same counts the lines that say what the state says already.
	Same int
}

// Repair is an account that gets the GUID that a mailbox export has for its
// primary. Everything else stays as it is.
type Repair struct {
	Primary   identity.Address
	Directory string // "" for a local account
	Old, New  identity.GUID
}

// ImportError has every line of a file whose account cannot be taken.
type ImportError struct {
	Lines []*Error
	// Rebound is set if lines have another GUID for an account that is there, and
	// say more than that.
	Rebound bool
	// Encoding is set if lines are not UTF-8.
	Encoding bool
}

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
	if e.Encoding {
		return "nothing was changed; the file is in another encoding, probably ANSI: save it as \"CSV UTF-8\" in Excel, with -Encoding utf8 in PowerShell, and try again"
	}
	if e.Rebound {
		return "nothing was changed; correct these lines and try again. To give accounts their new GUIDs, import a file with the columns PrimarySMTPAddress and GUID alone"
	}
	return "nothing was changed; correct these lines and try again"
}

// maxLine is the longest line of an import, in octets.
const maxLine = 1 << 20

// ReadImport reads accounts as JSON lines, as a JSON array or as CSV with a
// header, whichever the text is, in UTF-8 or UTF-16, and returns them with their
// lines. If any is malformed, the error is an [ImportError] that names them all, and the others
// are returned as well; name is the file's, for messages.
func ReadImport(name string, r io.Reader) ([]Imported, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	start, err := in.Peek(3)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	im := importer{name: name}
	if string(start) == "\ufeff" {
		in.Discard(3)
	} else if order, wide := wide(start); wide {
		decoder := unicode.UTF16(order, unicode.UseBOM).NewDecoder()
		in = bufio.NewReaderSize(transform.NewReader(in, decoder), 1<<16)
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
		return im.all, &ImportError{Lines: im.errs, Encoding: im.foreign}
	}
	return im.all, nil
}

// wide reports whether a text is UTF-16, by its byte order mark or because its
// first character is one of ASCII, as in everything that is read here.
func wide(start []byte) (order unicode.Endianness, ok bool) {
	switch {
	case len(start) < 2:
		return unicode.LittleEndian, false
	case start[0] == 0xff && start[1] == 0xfe, start[0] != 0 && start[1] == 0:
		return unicode.LittleEndian, true
	}
	return unicode.BigEndian, start[0] == 0xfe && start[1] == 0xff || start[0] == 0 && start[1] != 0
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
	// foreign is set if a line is not UTF-8.
	foreign bool
}

func (im *importer) fail(line int, reason string) {
	im.errs = append(im.errs, &Error{Path: im.name, Line: line, Reason: reason})
}

func (im *importer) take(line int, a identity.Account, err error, export bool) {
	if err != nil {
		im.fail(line, err.Error())
		return
	}
	im.all = append(im.all, Imported{line, a, export})
}

// encoded refuses a line that is not UTF-8.
func (im *importer) encoded(line int) {
	im.foreign = true
	im.fail(line, "not UTF-8")
}

var accountFields = []string{"primary", "aliases", "type", "status", "directory", "username", "dn", "guid", "attributes"}

// AccountFields returns the keys of an account in JSON.
func AccountFields() []string { return slices.Clone(accountFields) }

// object takes an account that stands as a JSON object on a line.
func (im *importer) object(line int, text []byte) {
	if !utf8.Valid(text) {
		im.encoded(line)
		return
	}
	a, err := im.dec.Account(text)
	if err != nil {
		if name, unknown := strings.CutPrefix(err.Error(), "unknown field "); unknown {
			err = words.Unknown("field", strings.Trim(name, `"`), accountFields)
		}
	}
	im.take(line, a, err, err == nil && bare(&a) && keys(text) == 2)
}

// bare reports whether nothing is known of an account but its primary and its
// GUID.
func bare(a *identity.Account) bool {
	return len(a.Aliases) == 0 && a.Type == identity.User && a.Active() && a.Directory == "" && !a.GUID.IsZero() &&
		a.Username == "" && a.DN == "" && len(a.Attributes) == 0
}

// keys returns how many keys a JSON object has.
func keys(text []byte) int {
	var m map[string]json.RawMessage
	if json.Unmarshal(text, &m) != nil {
		return 0
	}
	return len(m)
}

func (im *importer) jsonLines(in io.Reader) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), maxLine)
	n := 0
	for lines.Scan() {
		n++
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			im.object(n, line)
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
		im.object(line, raw)
	}
	if _, err := dec.Token(); err != nil {
		im.fail(counter.at(dec.InputOffset()), "the array is cut short")
	} else if _, err := dec.Token(); err != io.EOF {
		im.fail(counter.at(dec.InputOffset()), "something follows the array")
	}
}

// lineCounter knows on which line an offset lies that was read already.
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
// in lower case and without spaces. Mailbox exports have the last three, and the
// column of all addresses, which [proxies] reads.
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
	"displayname":        func(r *identity.Raw, v string) { r.Attributes[identity.DisplayName] = v },
}

// emailAddresses is the column of a mailbox export that holds all addresses of a
// mailbox.
const emailAddresses = "emailaddresses"

// proxies reads all addresses of a mailbox, as Exchange writes them, into an
// account. They are separated by commas, semicolons or spaces:
//
//	SMTP:ann@example.com    the primary
//	smtp:a@example.com      an alias, as in any other letter case
//	a@example.com           an alias
//	X500:/o=Corp, SIP:...   no mail address, up to the next prefix
func proxies(r *identity.Raw, v string) error {
	primary := ""
	seen := map[string]bool{}
	other := false // within a value that is no mail address
	for word := range strings.FieldsFuncSeq(v, func(c rune) bool { return strings.ContainsRune(",; \t\r\n", c) }) {
		prefix, address, prefixed := strings.Cut(word, ":")
		switch {
		case prefixed && !strings.EqualFold(prefix, "smtp"):
			other = true
		case prefixed:
			other = false
		case strings.HasPrefix(word, "System.") || strings.HasPrefix(word, "Microsoft.Exchange."):
			return fmt.Errorf("EmailAddresses has the name of a type, %s, in place of the addresses: export with @{n='EmailAddresses';e={$_.EmailAddresses -join ';'}}", word)
		default:
			address = word
		}
		if other || address == "" {
			continue
		}
		if prefix == "SMTP" && prefixed {
			if primary != "" && !strings.EqualFold(primary, address) {
				return fmt.Errorf("EmailAddresses has two primaries, %s and %s", primary, address)
			}
			primary = address
		} else if folded := strings.ToLower(address); !seen[folded] {
			seen[folded] = true
			r.Aliases = append(r.Aliases, address)
		}
	}
	switch {
	case r.Primary == "":
		r.Primary = primary
	case primary != "" && !strings.EqualFold(primary, strings.TrimSpace(r.Primary)):
		return fmt.Errorf("the primary is %s, and in EmailAddresses %s", r.Primary, primary)
	}
	r.Aliases = slices.DeleteFunc(r.Aliases, func(alias string) bool { return strings.EqualFold(alias, r.Primary) })
	return nil
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
		skipped++
	}
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	if r.Comma = announced(in); r.Comma != 0 {
		in.ReadString('\n')
		skipped++
	} else {
		r.Comma = separator(in)
	}
	head, err := r.Read()
	if err != nil {
		im.fail(1, "expected JSON lines, or CSV with a header that has a column primary or PrimarySMTPAddress")
		return
	}
	set, seen, ok := im.header(head, 1+skipped)
	if !ok {
		return
	}
	proxy := seen[emailAddresses] - 1 // the index of that column, or -1
	export := len(seen) == 2 && seen["guid"] > 0 && seen["primary"] > 0
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
		text := strings.Join(record, "")
		switch {
		case strings.TrimSpace(text) == "":
			continue // as spreadsheets write empty rows
		case len(record) != len(head):
			im.fail(line, fmt.Sprintf("%d field%s, and the header has %d", len(record), map[bool]string{false: "s"}[len(record) == 1], len(head)))
			continue
		case len(text) > maxLine:
			im.fail(line, fmt.Sprintf("a line of more than %d octets", maxLine))
			continue
		case !utf8.ValidString(text):
			im.encoded(line)
			continue
		}
		raw := identity.Raw{Attributes: map[string]string{}}
		for i, v := range record {
			if set[i] != nil {
				set[i](&raw, spreadsheet.Original(v))
			} else if i != proxy && v != "" {
				err = fmt.Errorf("column %d has a value and no name", i+1)
			}
		}
		if proxy >= 0 && err == nil {
			err = proxies(&raw, spreadsheet.Original(record[proxy]))
		}
		var a identity.Account
		if err == nil {
			a, err = im.dec.Raw(raw)
		}
		im.take(line, a, err, export)
	}
}

// header reads the names of the columns: what each sets, nil for one that
// has no name and for that of all addresses, and which there are, counted from 1.
func (im *importer) header(head []string, line int) (set []func(*identity.Raw, string), seen map[string]int, ok bool) {
	set = make([]func(*identity.Raw, string), len(head))
	seen = map[string]int{}
	likely := ""
	for i, name := range head {
		key := strings.ToLower(strings.TrimSpace(name))
		if !utf8.ValidString(name) {
			im.encoded(line)
			return nil, nil, false
		}
		if key == "" {
			continue
		}
		if words.Nearest(key, []string{"primary", "PrimarySMTPAddress", "EmailAddresses"}) != "" && seen["primary"] == 0 {
			likely = name
		}
		if strings.Contains(key, "mail") && likely == "" {
			likely = name
		}
		known := strings.ReplaceAll(key, " ", "")
		if set[i] = columns[known]; set[i] != nil || known == emailAddresses {
			key = known
		} else {
			set[i] = func(r *identity.Raw, v string) { r.Attributes[key] = v }
		}
		switch key {
		case "primarysmtpaddress":
			key = "primary"
		case "displayname":
			key = identity.DisplayName
		}
		if n, twice := seen[key]; twice {
			im.fail(line, fmt.Sprintf("columns %d and %d are both %q", n, i+1, key))
			return nil, nil, false
		}
		seen[key] = i + 1
	}
	if seen["primary"] == 0 && seen[emailAddresses] == 0 {
		reason := "the header has no column primary, PrimarySMTPAddress or EmailAddresses"
		if likely != "" {
			reason += fmt.Sprintf("; if %q has the primary addresses, name it primary", likely)
		}
		im.fail(line, reason)
		return nil, nil, false
	}
	return set, seen, true
}

// announced returns the separator that a first line "sep=;" names, as
// spreadsheets write it; 0 where there is none.
func announced(in *bufio.Reader) rune {
	start, _ := in.Peek(16)
	line, _, _ := bytes.Cut(start, []byte("\n"))
	line = bytes.Trim(bytes.TrimRight(line, "\r"), `"`)
	if len(line) == 5 && bytes.EqualFold(line[:4], []byte("sep=")) && line[4] != '"' {
		return rune(line[4])
	}
	return 0
}

// separator says what separates the columns of a header: where there is no
// comma a semicolon, as spreadsheets write in countries with a decimal comma, or
// a tab, as they copy.
func separator(in *bufio.Reader) rune {
	start, _ := in.Peek(1 << 10)
	head, _, _ := bytes.Cut(start, []byte("\n"))
	for _, c := range []byte(",;\t") {
		if bytes.IndexByte(head, c) >= 0 {
			return rune(c)
		}
	}
	return ','
}

// Import reads a file as [ReadImport] does and merges its accounts as
// [State.Merge] does. If any line cannot be taken, for whichever reason,
// nothing is changed and the error is an [ImportError] that names them all.
func (s *State) Import(name string, r io.Reader) (*Merged, error) {
	imported, err := ReadImport(name, r)
	var malformed *ImportError
	if err != nil && !errors.As(err, &malformed) {
		return nil, err
	}
	if malformed == nil {
		return s.Merge(name, imported)
	}
	_, _, err = s.merge(name, imported)
	var conflicts *ImportError
	if errors.As(err, &conflicts) {
		malformed.Lines = append(malformed.Lines, conflicts.Lines...)
		malformed.Rebound = conflicts.Rebound
		slices.SortStableFunc(malformed.Lines, func(a, b *Error) int { return a.Line - b.Line })
	}
	return nil, malformed
}

// Merge adds imported accounts to those that are there:
//
//	the primary is            the line                          then
//	free                      any                               the account is new
//	an account's primary      says the same in every field      nothing
//	an account's primary      of an export, with its GUID       nothing
//	an account's primary      of an export, with another GUID   the account gets that GUID
//	an account's primary      of an export, without a GUID      an error
//	held otherwise            any                               an error
//
// It is an error, too, if an address, or a GUID of one directory, would be held
// twice. With any error nothing is changed, and it is an [ImportError] that
// names every such line.
func (s *State) Merge(name string, imported []Imported) (*Merged, error) {
	m, guids, err := s.merge(name, imported)
	if err != nil {
		return nil, err
	}
	for a, guid := range guids {
		a.GUID = guid
	}
	s.Accounts = append(slices.Clip(s.Accounts), m.Added...)
	return m, nil
}

// merge finds out what [State.Merge] has to do, and the new GUIDs of accounts,
// and changes nothing.
func (s *State) merge(name string, imported []Imported) (*Merged, map[*identity.Account]identity.GUID, error) {
	type owner struct {
		directory string
		guid      identity.GUID
	}
	type holder struct {
		account *identity.Account
		line    int // 0 for an account of the state
	}
	addresses := make(map[identity.Address]holder, 2*(len(s.Accounts)+len(imported)))
	for i := range s.Accounts {
		a := &s.Accounts[i]
		addresses[a.Primary] = holder{a, 0}
		for _, x := range a.Aliases {
			addresses[x] = holder{a, 0}
		}
	}
	m := &Merged{}
	errs := &ImportError{}
	conflict := func(line int, what string, h holder) {
		where := "account " + h.account.Primary.String() + " of the state"
		if h.line > 0 {
			where = fmt.Sprintf("line %d (%s)", h.line, h.account.Primary)
		}
		errs.Lines = append(errs.Lines, &Error{Path: name, Line: line, Reason: what + " is held by " + where + " already"})
	}

	// First the GUIDs that change, so that accounts may pass theirs around.
	guids := map[*identity.Account]identity.GUID{}
	lines := map[*identity.Account]int{} // of the export, for accounts of the state
	for i := range imported {
		im := &imported[i]
		h, there := addresses[im.Account.Primary]
		if !im.Export || im.Account.GUID.IsZero() || !there || h.account.Primary != im.Account.Primary {
			continue
		}
		if first, twice := lines[h.account]; twice {
			conflict(im.Line, im.Account.Primary.String(), holder{h.account, first})
			continue
		}
		lines[h.account] = im.Line
		if old := h.account.GUID; old == im.Account.GUID {
			m.Same++
		} else {
			guids[h.account] = im.Account.GUID
			m.Repaired = append(m.Repaired, Repair{h.account.Primary, h.account.Directory, old, im.Account.GUID})
		}
	}
	owners := make(map[owner]holder, len(s.Accounts)+len(imported))
	for i := range s.Accounts {
		if a := &s.Accounts[i]; !a.Local() && guids[a].IsZero() {
			owners[owner{a.Directory, a.GUID}] = holder{a, 0}
		}
	}
	owned := func(o owner, line int) bool {
		h, ok := owners[o]
		if ok {
			conflict(line, fmt.Sprintf("GUID %s of directory %q", o.guid, o.directory), h)
		}
		return ok
	}
	for i := range imported {
		a, line := &imported[i].Account, imported[i].Line
		h, there := addresses[a.Primary]
		there = there && h.line == 0 && h.account.Primary == a.Primary
		if there && imported[i].Export && !a.GUID.IsZero() {
			o := owner{h.account.Directory, guids[h.account]}
			if o.guid == a.GUID && lines[h.account] == line && !h.account.Local() && !owned(o, line) {
				owners[o] = holder{h.account, line}
			}
			continue
		}
		if there && bytes.Equal(h.account.AppendJSON(nil), a.AppendJSON(nil)) {
			m.Same++
			continue
		}
		if there && imported[i].Export {
			errs.Lines = append(errs.Lines, &Error{Path: name, Line: line, Reason: "the line has no GUID for " + a.Primary.String()})
			continue
		}
		errs.Rebound = errs.Rebound || there && !a.GUID.IsZero() && a.GUID != h.account.GUID
		clean := true
		for _, x := range append([]identity.Address{a.Primary}, a.Aliases...) {
			if h, ok := addresses[x]; ok {
				conflict(line, x.String(), h)
				clean = false
			}
		}
		o := owner{a.Directory, a.GUID}
		if !a.Local() && owned(o, line) {
			clean = false
		}
		if clean {
			if !a.Local() {
				owners[o] = holder{a, line}
			}
			addresses[a.Primary] = holder{a, line}
			for _, x := range a.Aliases {
				addresses[x] = holder{a, line}
			}
			m.Added = append(m.Added, *a)
		}
	}
	if len(errs.Lines) > 0 {
		slices.SortStableFunc(errs.Lines, func(a, b *Error) int { return a.Line - b.Line })
		return nil, nil, errs
	}
	return m, guids, nil
}

// Verify checks what the file's own checks cannot see: that no address is held
// twice, and no GUID of one directory.
func (s *State) Verify(path string) error {
	imported := make([]Imported, len(s.Accounts))
	for i := range s.Accounts {
		imported[i] = Imported{Line: i + 2, Account: s.Accounts[i]}
	}
	_, err := (&State{}).Merge(path, imported)
	return err
}
