package plan

import "io"

// Parse reads a document that the tests have changed, whatever its checksum.
func Parse(r io.Reader) (*Plan, error) {
	p, _, err := parse(r)
	return p, err
}
