package repair

// Move puts one object below another and keeps its own name.
type Move struct {
	// DN and GUID are as of a [Change]; Name is the first relative name of the DN,
	// and To the DN of the new parent.
	DN, GUID, Name, To string
}

// PowerShell returns the move as one command without a line end, "" where a name
// is no UTF-8.
func (m *Move) PowerShell() string {
	c := Change{DN: m.DN, GUID: m.GUID, Replace: Of("to", m.To)}
	if !c.text() {
		return ""
	}
	identity := m.GUID
	if identity == "" {
		identity = m.DN
	}
	return "Move-ADObject -Identity " + Quote(identity) + " -TargetPath " + Quote(m.To)
}

// LDIF returns the move as a record of RFC 2849 with the blank line behind it.
func (m *Move) LDIF() string {
	b := append(appendLine(nil, "dn", m.DN), "changetype: modrdn\n"...)
	b = appendLine(b, "newrdn", m.Name)
	b = append(b, "deleteoldrdn: 1\n"...) // Active Directory takes no other
	return string(append(appendLine(b, "newsuperior", m.To), '\n'))
}
