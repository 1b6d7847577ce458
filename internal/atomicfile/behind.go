package atomicfile

import "os"

// behindBlock is how much is written until the system is asked to bring it to the disk, in
// octets.
const behindBlock = 8 << 20

// behind writes a file that is going to be synced. The system brings to the disk what is
// written while more is made, so that little is left to wait for in the end.
type behind struct {
	file           *os.File
	written, asked int64
}

func (b *behind) Write(text []byte) (int, error) {
	n, err := b.file.Write(text)
	if b.written += int64(n); b.written-b.asked >= behindBlock {
		beginSync(b.file, b.asked, b.written-b.asked)
		b.asked = b.written
	}
	return n, err
}
