package directory

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/filter"
)

// What an object is, beside its addresses, is decided by the tables of this file,
// and by nothing else. The page docs/reference/entries.md has the same tables.
//
//	Deleted    isDeleted, nsTombstone, ds-soft-delete-entry, a relative name with DEL:
//	Conflict   nsds5ReplConflict, ds-sync-conflict, a relative name with CNF: ...
//	System     recipient types, and whole names that nobody gives to a person
//	Disabled   flags, unless the recipient type is disabled by design
//	list       object classes

// disabledFlag is an attribute that says that its object is disabled: by an
// administrator, for good. A lockout that ends by itself, or that anybody can
// cause by typing wrong passwords, is none.
type disabledFlag struct {
	attribute string
	// One of these says so: a bit of a number, a value in whatever letter case,
	// the relative name with which a DN begins.
	bit    int64
	values []string
	name   string
	// servers are those that have the attribute.
	servers string
}

var disabledFlags = []disabledFlag{
	{attribute: "userAccountControl", bit: 1 << 1, servers: "Active Directory (MS-ADTS section 2.2.16), Samba"},
	{attribute: "msDS-UserAccountDisabled", values: []string{"TRUE"}, servers: "AD LDS"},
	{attribute: "nsAccountLock", values: []string{"TRUE"}, servers: "389 Directory Server, FreeIPA, DSEE"},
	{attribute: "nsRoleDN", name: "cn=nsManagedDisabledRole", servers: "389 Directory Server and DSEE, in exports"},
	{attribute: "pwdAccountLockedTime", values: []string{"000001010000Z"}, servers: "OpenLDAP, ApacheDS"},
	{attribute: "ds-pwp-account-disabled", values: []string{"TRUE"}, servers: "OpenDJ, PingDS, PingDirectory, OUD"},
	{attribute: "loginDisabled", values: []string{"TRUE"}, servers: "eDirectory"},
	{attribute: "orclIsEnabled", values: []string{"DISABLED"}, servers: "Oracle Internet Directory"},
	{attribute: "ibm-pwdAccountLocked", values: []string{"TRUE"}, servers: "IBM Security Directory Server"},
	{attribute: "inetUserStatus", values: []string{"inactive", "deleted"}, servers: "Sun and Oracle messaging"},
	{attribute: "zimbraAccountStatus", values: []string{"closed"}, servers: "Zimbra"},
}

// flagNames are the attributes of the flags, as objects are asked for them.
var flagNames = func() (names []string) {
	for _, f := range disabledFlags {
		names = append(names, strings.ToLower(f.attribute))
	}
	return names
}()

// DisabledAttributes are the attributes that say that an object is disabled, any
// of which may.
func DisabledAttributes() []string { return flagNames }

// when says which value of the attribute counts, as the page has it.
func (f *disabledFlag) when() string {
	switch {
	case f.bit != 0:
		return fmt.Sprintf("has the bit %d", f.bit)
	case f.name != "":
		return fmt.Sprintf("names `%s`", f.name)
	}
	return "`" + strings.Join(f.values, "` or `") + "`"
}

// isSet reports whether a value of the attribute is the flag.
func (f *disabledFlag) isSet(value []byte) bool {
	value = bytes.TrimSpace(value)
	switch {
	case f.bit != 0:
		n, err := strconv.ParseInt(string(value), 10, 64)
		return err == nil && n&f.bit != 0
	case f.name != "":
		n := len(f.name)
		return len(value) > n && value[n] == ',' && bytes.EqualFold(value[:n], []byte(f.name))
	}
	return slices.ContainsFunc(f.values, func(v string) bool { return bytes.EqualFold(value, []byte(v)) })
}

// recipientType is a bit of msExchRecipientTypeDetails, a number of 64 bits of
// which an object has one.
type recipientType struct {
	bit  int
	name string
	// system marks a mailbox that Exchange keeps for itself, which is no entry;
	// the others are disabled by design: nobody signs in with them.
	system bool
}

var recipientTypes = []recipientType{
	{1, "LinkedMailbox", false},
	{2, "SharedMailbox", false},
	{4, "RoomMailbox", false},
	{5, "EquipmentMailbox", false},
	{13, "SystemAttendantMailbox", true},
	{14, "SystemMailbox", true},
	{22, "MicrosoftExchange", true},
	{23, "ArbitrationMailbox", true},
	{24, "MailboxPlan", true},
	{29, "DiscoveryMailbox", true},
	{33, "RemoteRoomMailbox", false},
	{34, "RemoteEquipmentMailbox", false},
	{35, "RemoteSharedMailbox", false},
	{36, "PublicFolderMailbox", false},
	{37, "TeamMailbox", false},
	{38, "RemoteTeamMailbox", false},
	{39, "MonitoringMailbox", true},
	{40, "GroupMailbox", false},
	{41, "LinkedRoomMailbox", false},
	{42, "AuditLogMailbox", true},
	{43, "RemoteGroupMailbox", false},
	{44, "SchedulingMailbox", false},
}

// what says what the type means, as the page has it.
func (t *recipientType) what() string {
	if t.system {
		return "a system mailbox"
	}
	return "kept"
}

var systemMailboxes, disabledByDesign = func() (system, kept int64) {
	for _, t := range recipientTypes {
		if t.system {
			system |= 1 << t.bit
		} else {
			kept |= 1 << t.bit
		}
	}
	return system, kept
}()

// groupClass is an object class of lists.
type groupClass struct{ name, servers string }

var groupClasses = []groupClass{
	{"group", "Active Directory"},
	{"msExchDynamicDistributionList", "Exchange"},
	{"groupOfNames", "RFC 4519"},
	{"groupOfUniqueNames", "RFC 4519"},
	{"posixGroup", "RFC 2307"},
	{"groupOfMembers", "RFC 2307bis"},
	{"groupOfEntries", "OpenDJ and PingDS"},
	{"groupOfURLs", "Netscape: dynamic groups"},
	{"dynamicGroup", "eDirectory"},
	{"mailGroup", "Netscape, 389 Directory Server"},
	{"inetMailGroup", "Sun and Oracle messaging"},
	{"rfc822MailGroup", "Netscape"},
	{"nisMailAlias", "sendmail, Postfix"},
	{"accessGroup", "IBM Security Directory Server"},
	{"accessRole", "IBM Security Directory Server"},
	{"ibm-staticGroup", "IBM Security Directory Server"},
	{"ibm-dynamicGroup", "IBM Security Directory Server"},
	{"ibm-nestedGroup", "IBM Security Directory Server"},
	{"orclGroup", "Oracle Internet Directory"},
	{"ipaUserGroup", "FreeIPA"},
	{"nestedGroup", "FreeIPA"},
	{"univentionGroup", "Univention"},
	{"univentionMailList", "Univention"},
	{"zimbraDistributionList", "Zimbra"},
	{"zimbraGroup", "Zimbra: dynamic lists"},
	{"kolabGroupOfUniqueNames", "Kolab"},
	{"kopano-group", "Kopano"},
	{"kopano-dynamicgroup", "Kopano"},
	{"zarafa-group", "Zarafa"},
	{"zarafa-dynamicgroup", "Zarafa"},
	{"dominoGroup", "HCL Domino"},
	{"qmailGroup", "qmail-ldap"},
	{"sambaGroupMapping", "Samba 3"},
}

// isGroup finds the classes of lists, in lower case.
var isGroup = func() map[string]bool {
	m := map[string]bool{}
	for _, c := range groupClasses {
		m[strings.ToLower(c.name)] = true
	}
	return m
}()

// systemName is the whole name of a mailbox or account that Exchange or a
// synchronization tool makes for itself. A person or a list may have a name
// that begins so.
type systemName struct {
	// before stands in front of the part that is different in each: a GUID, or
	// so many hexadecimal digits; behind is what follows it.
	before string
	digits int // 0 for a GUID
	behind string
	of     string
}

var systemNames = []systemName{
	{"SystemMailbox{", 0, "}", "Exchange: arbitration and system mailboxes"},
	{"DiscoverySearchMailbox {", 0, "}", "Exchange: searches"},
	{"HealthMailbox", 32, "", "Exchange: monitoring"},
	{"Migration.", 0, "", "Exchange: migration"},
	{"FederatedEmail.", 0, "", "Exchange: federation"},
	{"CAS_{", 16, "}", "Exchange: tests of client access"},
	{"AAD_", 12, "", "Azure AD Connect"},
	{"MSOL_", 12, "", "DirSync and Entra Connect"},
}

// shape is the name with what varies, as the page has it.
func (n *systemName) shape() string {
	part := "GUID"
	if n.digits > 0 {
		part = fmt.Sprintf("%d hex digits", n.digits)
	}
	return "`" + n.before + "`" + part + strings.ReplaceAll("`"+n.behind+"`", "``", "")
}

func (n *systemName) begins(name string) bool {
	return len(name) >= len(n.before) && strings.EqualFold(name[:len(n.before)], n.before)
}

// matches reports whether a name that begins so is one as a whole.
func (n *systemName) matches(name string) bool {
	part, found := strings.CutSuffix(name[len(n.before):], n.behind)
	if !found {
		return false
	}
	digits := n.digits
	if digits == 0 {
		for _, i := range [...]int{8, 13, 18, 23} {
			if len(part) != 36 || part[i] != '-' {
				return false
			}
		}
		part, digits = strings.ReplaceAll(part, "-", ""), 32
	}
	return len(part) == digits && strings.Trim(part, "0123456789abcdefABCDEF") == ""
}

// isDeleted reports whether an object was deleted, and is kept for a while: in
// Active Directory (MS-ADTS section 3.1.1.5.5), whose deleted objects have a line
// feed and DEL: in their name, in 389 Directory Server and DSEE, and in
// PingDirectory with soft deletes.
func isDeleted(o filter.Object) bool {
	return hasText(o, deletedMark, "TRUE") || hasClass(o, "nsTombstone") || hasClass(o, "ds-soft-delete-entry") || marked(o.DN(), "DEL:")
}

// isConflict reports whether an object lost its name to another that was created
// under it on another server. Active Directory puts a line feed and CNF: with the
// GUID into its relative name (MS-ADTS section 3.1.1.5.1.2); 389 Directory Server
// and DSEE name it by its nsUniqueId, and PingDS and PingDirectory by its
// entryUUID, beside the attribute or class that says so.
func isConflict(o filter.Object) bool {
	if marked(o.DN(), "CNF:") || len(o.Values(nsConflict)) > 0 || len(o.Values(syncConflict)) > 0 || hasClass(o, "ds-sync-conflict-entry") {
		return true
	}
	if !hasClass(o, "ldapsubentry") {
		return false
	}
	for part := range strings.SplitSeq(leaf(o.DN()), "+") {
		if typ, _, _ := strings.Cut(part, "="); strings.EqualFold(typ, nsUniqueID) {
			return true
		}
	}
	return false
}

// isSystem reports whether an object is a mailbox or account that servers and
// tools keep for themselves. Groups and contacts are none, whatever their name.
func isSystem(o filter.Object) bool {
	if hasBits(o, recipientDetails, systemMailboxes) {
		return true
	}
	dn := o.DN()
	if len(dn) < 3 || !strings.EqualFold(dn[:3], "cn=") {
		return false
	}
	for i := range systemNames {
		if n := &systemNames[i]; n.begins(dn[3:]) && n.matches(leaf(dn)[3:]) {
			return !hasClass(o, "contact") && !isList(o)
		}
	}
	return false
}

// isDisabled reports whether an object is disabled and was not meant to be.
func isDisabled(o filter.Object) bool {
	return isFlagged(o) && !hasBits(o, recipientDetails, disabledByDesign)
}

// isFlagged reports whether an attribute says that an object is disabled.
func isFlagged(o filter.Object) bool {
	for i, name := range flagNames {
		if slices.ContainsFunc(o.Values(name), disabledFlags[i].isSet) {
			return true
		}
	}
	return false
}

// designOf returns the recipient type for which an object is disabled by design, "" if
// it is not.
func designOf(o filter.Object) string {
	for i := range recipientTypes {
		if t := &recipientTypes[i]; !t.system && hasBits(o, recipientDetails, 1<<t.bit) && isFlagged(o) {
			return t.name
		}
	}
	return ""
}

// isList reports whether the classes of an object are those of a list.
func isList(o filter.Object) bool {
	for _, class := range o.Values(objectClass) {
		var lower [64]byte
		if len(class) <= len(lower) && isGroup[string(appendLower(lower[:0], class))] {
			return true
		}
	}
	return false
}

func appendLower(b, ascii []byte) []byte {
	for _, c := range ascii {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// leaf returns the first relative name of a DN without escapes and quotes (RFC
// 4514, and RFC 2253 section 4).
func leaf(dn string) string {
	end := strings.IndexAny(dn, `,\"`)
	if end < 0 {
		return dn
	}
	if dn[end] == ',' {
		return dn[:end]
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(dn); i++ {
		switch c := dn[i]; {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return b.String()
		case c == '\\' && i+1 < len(dn):
			if i+2 < len(dn) {
				if octet, err := strconv.ParseUint(dn[i+1:i+3], 16, 8); err == nil {
					b.WriteByte(byte(octet))
					i += 2
					continue
				}
			}
			i++
			b.WriteByte(dn[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// marked reports whether the relative name of a DN has a line feed and a mark
// behind it.
func marked(dn, mark string) bool {
	if !strings.Contains(dn, `\0`) && !strings.Contains(dn, "\n") {
		return false // as almost all
	}
	_, behind, found := strings.Cut(leaf(dn), "\n")
	return found && len(behind) >= len(mark) && strings.EqualFold(behind[:len(mark)], mark)
}

func hasClass(o filter.Object, class string) bool { return hasText(o, objectClass, class) }

// hasText reports whether an attribute has a value, in whatever letter case.
func hasText(o filter.Object, name, text string) bool {
	for _, v := range o.Values(name) {
		if len(v) == len(text) && strings.EqualFold(string(v), text) {
			return true
		}
	}
	return false
}

func hasBits(o filter.Object, name string, mask int64) bool {
	for _, v := range o.Values(name) {
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && n&mask != 0 {
			return true
		}
	}
	return false
}
