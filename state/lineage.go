package state

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// Lineage returns the lineage of the state at path and reads no more than its
// header; "" where there is no state.
func Lineage(path string) (string, error) {
	f, err := atomicfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open the state: %w", err)
	}
	defer f.Close()
	in := lineReader{r: bufio.NewReader(f), sum: sha256.New()}
	var h header
	line, err := in.next()
	if err == nil {
		err = strict(line, &h)
	}
	return h.Lineage, err
}
