package state

import "os"

func stampOf(f *os.File) (stamp, error) {
	info, err := f.Stat()
	if err != nil {
		return stamp{}, err
	}
	return stamp{Size: info.Size(), Modified: info.ModTime().UnixNano()}, nil
}
