package csv

import (
	"bufio"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// codePage is an encoding of one octet a character, by its name in the registry
// of IANA.
type codePage struct {
	name    string
	charmap *charmap.Charmap
}

// codePages are those in which programs of Windows, macOS and Unix write CSV where
// nobody asks for Unicode. Nothing in such a file says which of them it has.
var codePages = []codePage{
	{"windows-1250", charmap.Windows1250}, {"windows-1251", charmap.Windows1251}, {"windows-1252", charmap.Windows1252}, {"windows-1253", charmap.Windows1253},
	{"windows-1254", charmap.Windows1254}, {"windows-1255", charmap.Windows1255}, {"windows-1256", charmap.Windows1256}, {"windows-1257", charmap.Windows1257},
	{"windows-1258", charmap.Windows1258}, {"windows-874", charmap.Windows874},
	{"iso-8859-1", charmap.ISO8859_1}, {"iso-8859-2", charmap.ISO8859_2}, {"iso-8859-5", charmap.ISO8859_5}, {"iso-8859-7", charmap.ISO8859_7},
	{"iso-8859-9", charmap.ISO8859_9}, {"iso-8859-15", charmap.ISO8859_15},
	{"ibm437", charmap.CodePage437}, {"ibm850", charmap.CodePage850}, {"ibm852", charmap.CodePage852}, {"ibm866", charmap.CodePage866},
	{"macintosh", charmap.Macintosh},
}

func codePageNames() (names []string) {
	for _, p := range codePages {
		names = append(names, p.name)
	}
	return names
}

// text is the text of a file, in UTF-8 and without byte order mark.
type text struct {
	io.Reader
	// encoding is the one that it came in. The text was decoded, unless that is
	// UTF-8.
	encoding string
	// raw, unless nil, sees what is decoded from a code page.
	raw *witness
}

const utf8Name = "UTF-8"

// decode finds the encoding of a file: that of its byte order mark, UTF-16 where
// every second of the first octets is 0, as in ASCII, or else the code page of this
// name, or UTF-8.
func decode(file io.Reader, page string) (*text, error) {
	in := bufio.NewReaderSize(file, 4096)
	first, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	start := [4]byte{1, 1, 1, 1}
	copy(start[:], first)
	wide := func(name string, order unicode.Endianness) *text {
		return &text{Reader: unicode.UTF16(order, unicode.UseBOM).NewDecoder().Reader(in), encoding: name}
	}
	switch {
	case start[0] == 0xef && start[1] == 0xbb && start[2] == 0xbf:
		_, err = in.Discard(3)
		return &text{Reader: in, encoding: utf8Name}, err
	case start[0] == 0xff && start[1] == 0xfe, start[0] != 0 && start[1] == 0 && start[2] != 0 && start[3] == 0:
		return wide("UTF-16LE", unicode.LittleEndian), nil
	case start[0] == 0xfe && start[1] == 0xff, start[0] == 0 && start[1] != 0 && start[2] == 0 && start[3] != 0:
		return wide("UTF-16BE", unicode.BigEndian), nil
	case page == "":
		return &text{Reader: in, encoding: utf8Name}, nil
	}
	i := slices.IndexFunc(codePages, func(p codePage) bool { return p.name == page })
	raw := &witness{in: in}
	return &text{codePages[i].charmap.NewDecoder().Reader(raw), page, raw}, nil
}

// witness looks at octets that are read: a text that has letters beyond ASCII, and
// is UTF-8 to its end, hardly came in a code page.
type witness struct {
	in             io.Reader
	begun          []byte // a character whose end has not come
	beyond, broken bool
}

// Read implements [io.Reader].
func (w *witness) Read(p []byte) (n int, err error) {
	n, err = w.in.Read(p)
	for _, c := range p[:n] {
		if c < utf8.RuneSelf && len(w.begun) == 0 || w.broken {
			continue
		}
		if w.begun = append(w.begun, c); utf8.FullRune(w.begun) {
			_, size := utf8.DecodeRune(w.begun)
			w.beyond, w.broken = true, size == 1 || size < len(w.begun)
			w.begun = w.begun[:0]
		}
	}
	return n, err
}

// isUTF8 reports whether what was read is UTF-8, and more than ASCII.
func (w *witness) isUTF8() bool { return w.beyond && !w.broken && len(w.begun) == 0 }
