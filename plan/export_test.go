package plan

import "io"

// ManyToSort is how many elements are worth a second goroutine.
const ManyToSort = manyToSort

// Parse reads a document that the tests have changed, whatever its checksum.
func Parse(r io.Reader) (*Plan, error) {
	p, _, err := parse(r)
	return p, err
}

// AsWanted reports whether each account of which it is certain that its entry wants it as
// it is is made as it is, with nothing to be said of it; how many of these there are, and
// how many others.
func AsWanted(in Input) (wrong string, certain, others int, err error) {
	e, err := newEngine(in)
	if err != nil {
		return "", 0, 0, err
	}
	for _, run := range phases {
		if run(e); e.failed != nil {
			return "", 0, 0, e.failed
		}
	}
	for a, wanted := range e.asWanted(2) {
		said := len(e.notes)
		_, changes := e.accountAfter(int32(a))
		as := e.bound(int32(a)) && !changes && len(e.notes) == said
		switch {
		case wanted && !as:
			return e.in.Accounts[a].Primary.String(), certain, others, nil
		case wanted:
			certain++
		case as:
			others++
		}
	}
	return "", certain, others, nil
}
