package sql

import (
	"errors"
	"fmt"
	"strings"
)

// statement is one statement with named parameters, as ":address". Each place gets a
// placeholder of its own, so that a database may take each for another type.
type statement struct {
	// texts stand around the parameters: one more than there are names.
	texts []string
	names []string
	// words are the other names in it, in lower case and without quotes, and "*".
	words map[string]bool
}

// parseStatement reads one statement of a dialect. What stands in quotes and comments
// is left as it is; "::" is PostgreSQL's cast, and no parameter.
func parseStatement(text string, d *dialect) (*statement, error) {
	s := &statement{words: map[string]bool{}}
	text = strings.TrimRight(strings.TrimSpace(text), "; \t\r\n")
	if text == "" {
		return nil, errors.New("it is empty")
	}
	begin := 0
	for i := 0; i < len(text); {
		n, err := passed(text[i:], d)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			if c := text[i]; c == '"' || c == '`' {
				s.words[strings.ToLower(text[i+1:i+n-1])] = true
			}
			i += n
			continue
		}
		switch c := text[i]; {
		case c == ';':
			return nil, errors.New("it is more than one statement; write a list of statements")
		case c == '?' && !d.postgres, c == '$' && d.postgres && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
			return nil, errors.New("values are written by name, as in :address")
		case c == ':' && strings.HasPrefix(text[i:], "::"):
			i += 2
		case c == ':' && nameLength(text[i+1:]) > 0:
			n := nameLength(text[i+1:])
			s.texts = append(s.texts, text[begin:i])
			s.names = append(s.names, text[i+1:i+1+n])
			i += 1 + n
			begin = i
		case c == '*':
			s.words["*"] = true
			i++
		case c >= '0' && c <= '9':
			for i < len(text) && wordOctet(text[i]) {
				i++
			}
		case nameLength(text[i:]) > 0:
			n := nameLength(text[i:])
			for d.postgres && i+n < len(text) && (text[i+n] == '$' || wordOctet(text[i+n])) {
				n++ // a name may have a $ within
			}
			s.words[strings.ToLower(text[i:i+n])] = true
			i += n
		default:
			i++
		}
	}
	s.texts = append(s.texts, text[begin:])
	return s, nil
}

func wordOctet(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// nameLength is the length of the name at the beginning of a text.
func nameLength(text string) int {
	if text == "" || text[0] >= '0' && text[0] <= '9' {
		return 0
	}
	n := 0
	for n < len(text) && wordOctet(text[n]) {
		n++
	}
	return n
}

var errOpen = errors.New("a quote or a comment in it does not end")

// passed returns the length of the quoted text or comment at the beginning of a text; 0
// if there is none.
func passed(text string, d *dialect) (int, error) {
	end := func(from int, mark string) (int, error) {
		i := strings.Index(text[min(from, len(text)):], mark)
		if i < 0 {
			return 0, errOpen
		}
		return from + i + len(mark), nil
	}
	line := func() (int, error) {
		if i := strings.IndexByte(text, '\n'); i >= 0 {
			return i + 1, nil
		}
		return len(text), nil
	}
	switch c := text[0]; {
	case c == '\'' || c == '"' || c == '`' && !d.postgres:
		return quoted(text, c, !d.postgres && c != '`')
	case d.postgres && (c == 'e' || c == 'E') && strings.HasPrefix(text[1:], "'"):
		n, err := quoted(text[1:], '\'', true)
		return n + 1, err
	case strings.HasPrefix(text, "--") && (d.postgres || len(text) == 2 || text[2] <= ' '), c == '#' && !d.postgres:
		return line()
	case strings.HasPrefix(text, "/*"):
		if d.postgres {
			return nested(text)
		}
		return end(2, "*/")
	case d.postgres && c == '$':
		n := 1 + nameLength(text[1:])
		if n < len(text) && text[n] == '$' {
			return end(n+1, text[:n+1])
		}
	}
	return 0, nil
}

// quoted returns the length of a text in quotes, which are doubled within.
func quoted(text string, quote byte, backslash bool) (int, error) {
	for i := 1; i < len(text); i++ {
		switch {
		case backslash && text[i] == '\\':
			i++
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1, nil
		}
	}
	return 0, errOpen
}

// nested returns the length of a comment that may have others in it.
func nested(text string) (int, error) {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1, nil
			}
		}
	}
	return 0, errOpen
}

// bind returns the statement as the database takes it, and its values.
func (s *statement) bind(d *dialect, value func(name string) any) (string, []any) {
	var b strings.Builder
	var args []any
	for i, name := range s.names {
		b.WriteString(s.texts[i])
		if d.postgres {
			fmt.Fprintf(&b, "$%d", i+1)
		} else {
			b.WriteByte('?')
		}
		args = append(args, value(name))
	}
	b.WriteString(s.texts[len(s.names)])
	return b.String(), args
}
