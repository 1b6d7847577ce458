package identity

// Receipt is what a directory says about one read of it: where the entries
// came from and that none is missing. It stands in every plan.
type Receipt struct {
	// Name is the directory's label, Kind its kind in the configuration.
	Name, Kind string
	// Server names what answered: a URL, or the files that were read.
	Server string
	// Scanned counts the objects that were looked at, Entries those that a
	// scope took and that list a mail address.
	Scanned, Entries int
	// Complete is true when every search ended with result code 0 on its last
	// page, or every file was read to its end.
	Complete bool
}
