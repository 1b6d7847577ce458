package state

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func stampOf(f *os.File) (stamp, error) {
	h := windows.Handle(f.Fd())
	var file windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &file); err != nil {
		return stamp{}, err
	}
	var times struct { // FILE_BASIC_INFO
		Created, Accessed, Modified, Changed int64
		Attributes, _                        uint32
	}
	if err := windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&times)), uint32(unsafe.Sizeof(times))); err != nil {
		return stamp{}, err
	}
	return stamp{
		int64(file.FileSizeHigh)<<32 | int64(file.FileSizeLow),
		nanoseconds(times.Modified), nanoseconds(times.Changed),
		uint64(file.FileIndexHigh)<<32 | uint64(file.FileIndexLow),
	}, nil
}

// nanoseconds returns a time of Windows, in tenths of microseconds since 1601, as one
// since 1970.
func nanoseconds(t int64) int64 {
	f := windows.Filetime{LowDateTime: uint32(t), HighDateTime: uint32(t >> 32)}
	return f.Nanoseconds()
}
