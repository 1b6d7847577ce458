package http

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/state"
)

const (
	// formatName and formatVersion stand in the document that the server keeps.
	formatName    = "rollcall-store"
	formatVersion = 1
	// kept is how many versions of the state the document has.
	kept = 2
)

// document is what the server keeps, as one JSON object:
//
//	{"serial":12,"lineage":"…","format":"rollcall-store","format_version":1,"sha256":"…",
//	 "versions":[{"lineage":"…","serial":7,"sha256":"…","text":"…"}],
//	 "documents":[{"name":"000001","tag":"…","text":"…"}]}
//
// The serial grows by one each time that the document is written, which GitLab asks for,
// and has nothing to do with those of the state. The lineage stays. A text is Base64 of
// frames of zstd. Versions begin with the newest; documents are sorted by their names, and
// have a tag once nothing is added to them. There is no "version", so that Terraform
// refuses to take the document for one of its own. The zero document is none.
type document struct {
	Serial        int64     `json:"serial"`
	Lineage       string    `json:"lineage"`
	Format        string    `json:"format"`
	FormatVersion int       `json:"format_version"`
	Sum           string    `json:"sha256"`
	Versions      []version `json:"versions"`
	Documents     []entry   `json:"documents"`
	// body is the checksum of the document as it was read or sent; zero where nobody knows.
	body [sha256.Size]byte
}

// version is a version of the state.
type version struct {
	Lineage string `json:"lineage"`
	Serial  int64  `json:"serial"`
	Sum     string `json:"sha256"`
	Text    []byte `json:"text"`
}

func (v *version) is() state.Version {
	return state.Version{Lineage: v.Lineage, Serial: v.Serial, Sum: v.Sum}
}

// entry is a document of the history.
type entry struct {
	Name string `json:"name"`
	Tag  string `json:"tag"`
	Text []byte `json:"text"`
}

// revision tells what the server keeps from what it kept before.
type revision struct {
	Serial int64  `json:"serial"`
	Sum    string `json:"sha256"`
}

func (d *document) revision() revision { return revision{d.Serial, d.Sum} }

// newest is the newest version of the state; the zero Version if there is none.
func (d *document) newest() state.Version {
	if len(d.Versions) == 0 {
		return state.Version{}
	}
	return d.Versions[0].is()
}

// find returns the document of a name, or nil.
func (d *document) find(name string) *entry {
	i, found := slices.BinarySearchFunc(d.Documents, name, func(e entry, name string) int { return strings.Compare(e.Name, name) })
	if !found {
		return nil
	}
	return &d.Documents[i]
}

// sum is the checksum of all that the document says, but for its own.
func (d *document) sum() string {
	h := sha256.New()
	number(h, d.Serial)
	feed(h, d.Lineage)
	number(h, int64(len(d.Versions)))
	for i := range d.Versions {
		v := &d.Versions[i]
		feed(h, v.Lineage)
		number(h, v.Serial)
		feed(h, v.Sum)
		feed(h, v.Text)
	}
	for i := range d.Documents {
		e := &d.Documents[i]
		feed(h, e.Name)
		feed(h, e.Tag)
		feed(h, e.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func number(h hash.Hash, n int64) { _ = binary.Write(h, binary.BigEndian, n) }

func feed[T string | []byte](h hash.Hash, s T) {
	number(h, int64(len(s)))
	_, _ = h.Write([]byte(s))
}

// seal sorts the document and gives it its checksum.
func (d *document) seal() {
	slices.SortFunc(d.Documents, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	d.Format, d.FormatVersion = formatName, formatVersion
	d.Sum = d.sum()
}

// encode returns the document as it is sent.
func (d *document) encode() []byte {
	size := 1 << 10
	for i := range d.Versions {
		size += base64.StdEncoding.EncodedLen(len(d.Versions[i].Text)) + 256
	}
	for i := range d.Documents {
		size += base64.StdEncoding.EncodedLen(len(d.Documents[i].Text)) + len(d.Documents[i].Name) + 128
	}
	b := make([]byte, 0, size)
	b = fmt.Appendf(b, `{"serial":%d,"lineage":%s,"format":%s,"format_version":%d,"sha256":%s,"versions":[`,
		d.Serial, quoted(d.Lineage), quoted(formatName), formatVersion, quoted(d.Sum))
	for i := range d.Versions {
		v := &d.Versions[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"lineage":%s,"serial":%d,"sha256":%s,"text":"`, quoted(v.Lineage), v.Serial, quoted(v.Sum))
		b = append(base64.StdEncoding.AppendEncode(b, v.Text), `"}`...)
	}
	b = append(b, `],"documents":[`...)
	for i := range d.Documents {
		e := &d.Documents[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"name":%s,"tag":%s,"text":"`, quoted(e.Name), quoted(e.Tag))
		b = append(base64.StdEncoding.AppendEncode(b, e.Text), `"}`...)
	}
	return append(b, "]}\n"...)
}

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // every string can be written
	}
	return b
}

var (
	errTorn    = errors.New("the document that the server keeps was cut off or changed")
	errForeign = errors.New("what the server keeps is no state of rollcall")
	errNewer   = errors.New("the server keeps a document of a newer version of rollcall")
)

// parse reads a document, whole or not at all. An error is one of [errTorn], [errForeign]
// and [errNewer].
func parse(body []byte) (*document, error) {
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		var other *json.UnmarshalTypeError
		if errors.As(err, &other) && d.Format != formatName {
			return nil, errForeign
		}
		return nil, errTorn
	}
	switch {
	case d.Format != formatName:
		return nil, errForeign
	case d.FormatVersion > formatVersion:
		return nil, errNewer
	case d.FormatVersion != formatVersion, d.Serial < 1, len(d.Versions) > kept, d.Sum != d.sum():
		return nil, errTorn
	}
	// Two of one name would be one.
	if !slices.IsSortedFunc(d.Documents, func(a, b entry) int { return cmp.Or(strings.Compare(a.Name, b.Name), -1) }) {
		return nil, errTorn
	}
	for i := range d.Documents {
		if !plain(d.Documents[i].Name) {
			return nil, errTorn
		}
	}
	return &d, nil
}

// plain reports whether a name can be that of a file.
func plain(name string) bool {
	return name != "" && len(name) < 100 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// A document that was read is kept in a file, so that it need not be sent again as long as
// the server's tag says that it is the same: a line with what it says but for the texts,
// and how long these are, and then the texts.
type saved struct {
	ETag    string `json:"etag"`
	Address string `json:"address"` // its checksum
	*document
	Lengths []int `json:"lengths"`
}

// texts returns where the texts of a document are, in order.
func (d *document) texts() (all []*[]byte) {
	for i := range d.Versions {
		all = append(all, &d.Versions[i].Text)
	}
	for i := range d.Documents {
		all = append(all, &d.Documents[i].Text)
	}
	return all
}

// save writes a document for [load].
func (d *document) save(w io.Writer, etag, address string) error {
	head := *d
	head.Versions, head.Documents = slices.Clone(d.Versions), slices.Clone(d.Documents)
	s := saved{ETag: etag, Address: address, document: &head}
	for _, text := range head.texts() {
		s.Lengths = append(s.Lengths, len(*text))
		*text = nil
	}
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err = w.Write(append(line, '\n')); err != nil {
		return err
	}
	for _, text := range d.texts() {
		if _, err = w.Write(*text); err != nil {
			return err
		}
	}
	return nil
}

// load reads what save has written of an address; nil for anything else.
func load(raw []byte, address string) (d *document, etag string) {
	line, rest, found := bytes.Cut(raw, []byte{'\n'})
	s := saved{document: &document{}}
	if !found || json.Unmarshal(line, &s) != nil || s.document == nil {
		return nil, ""
	}
	texts := s.texts()
	if len(texts) != len(s.Lengths) {
		return nil, ""
	}
	for i, n := range s.Lengths {
		if n < 0 || n > len(rest) {
			return nil, ""
		}
		*texts[i], rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 || s.ETag == "" || s.Address != address || s.Format != formatName || s.FormatVersion != formatVersion || len(s.Versions) > kept || s.Sum != s.document.sum() {
		return nil, ""
	}
	return s.document, s.ETag
}
