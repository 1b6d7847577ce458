package directory

import "strings"

// Options reads the options of an attribute description (RFC 4512 section 2.5),
// with the semicolon in front, and returns those that are part of its name.
//
// 389 Directory Server and DSEE write the state of replication as options: when
// a value came (vucsn, adcsn) or went (vdcsn, mdcsn), and "deleted" for one that
// is no value any more. The range of values that came (MS-ADTS section
// 3.1.1.3.1.3.3) is no part of the name, either.
func Options(text string) (kept string, deleted bool) {
	for option := range strings.SplitSeq(text, ";") {
		name := strings.ToLower(option)
		switch before, _, _ := strings.Cut(name, "-"); {
		case name == "", strings.HasPrefix(name, "range="):
		case before == "adcsn", before == "mdcsn", before == "vdcsn", before == "vucsn":
		case name == "deleted", name == "deletedattribute":
			deleted = true
		default:
			kept += ";" + option
		}
	}
	return kept, deleted
}

// InLanguage reports whether options, as [Options] keeps them, say in which
// language a value is (RFC 3866). Such a value is for those who read that
// language, and never the one by which everybody knows the entry.
func InLanguage(options string) bool {
	for option := range strings.SplitSeq(options, ";") {
		if len(option) >= 5 && strings.EqualFold(option[:5], "lang-") {
			return true
		}
	}
	return false
}
