package directory

// attributeNames are attributes that have several names, in lower case: those of
// RFC 4519 and RFC 4524, and their numbers. A server answers to each of them, and
// a file has the one that its server or tool writes.
var attributeNames = [][]string{
	{"cn", "commonname", "2.5.4.3"},
	{"description", "2.5.4.13"},
	{"displayname", "2.16.840.1.113730.3.1.241"},
	{"givenname", "gn", "2.5.4.42"},
	{"mail", "rfc822mailbox", "0.9.2342.19200300.100.1.3"},
	{"o", "organizationname", "2.5.4.10"},
	{"objectclass", "2.5.4.0"},
	{"ou", "organizationalunitname", "2.5.4.11"},
	{"sn", "surname", "2.5.4.4"},
	{"uid", "userid", "0.9.2342.19200300.100.1.1"},
	{"entryuuid", "1.3.6.1.1.16.4"},
}

var otherNames = func() map[string][]string {
	m := map[string][]string{}
	for _, names := range attributeNames {
		for i, name := range names {
			m[name] = append(append([]string(nil), names[:i]...), names[i+1:]...)
		}
	}
	return m
}()

// OtherNames returns the other names of an attribute, which is named in lower
// case as they are.
func OtherNames(attribute string) []string { return otherNames[attribute] }
