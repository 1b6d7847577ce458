package csv

import (
	"bufio"
	"io"
	"slices"

	"golang.org/x/text/encoding"
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

// decode returns a text in UTF-8, without byte order mark, and the encoding that
// it came in: that of its byte order mark, UTF-16 where every second of the first
// octets is 0, as in ASCII, or else the code page of this name, or UTF-8. decoded
// is false where the text is as it was.
func decode(file io.Reader, page string) (text io.Reader, name string, decoded bool, err error) {
	in := bufio.NewReaderSize(file, 4096)
	first, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, "", false, err
	}
	start := [4]byte{1, 1, 1, 1}
	copy(start[:], first)
	var wide encoding.Encoding
	switch {
	case start[0] == 0xef && start[1] == 0xbb && start[2] == 0xbf:
		_, err = in.Discard(3)
		return in, "UTF-8", false, err
	case start[0] == 0xff && start[1] == 0xfe, start[0] != 0 && start[1] == 0 && start[2] != 0 && start[3] == 0:
		name, wide = "UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case start[0] == 0xfe && start[1] == 0xff, start[0] == 0 && start[1] != 0 && start[2] == 0 && start[3] != 0:
		name, wide = "UTF-16BE", unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case page == "":
		return in, "UTF-8", false, nil
	default:
		i := slices.IndexFunc(codePages, func(p codePage) bool { return p.name == page })
		name, wide = page, codePages[i].charmap
	}
	return wide.NewDecoder().Reader(in), name, true, nil
}
