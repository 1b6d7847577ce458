// Package worlds are directories of every kind that tests change: LDIF and CSV files, a
// connector, a scripted domain controller, and real servers of Samba, OpenLDAP and 389 Directory
// Server. Where a server's program is missing, the test is skipped, as package
// servertest says.
package worlds

import (
	"crypto/rand"
	"encoding/base64"
	encoding "encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/csv"
	"github.com/rollcall-cli/rollcall/internal/directory/exec"
	"github.com/rollcall-cli/rollcall/internal/directory/ldap"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// What the suite runs on.
var (
	LDIF     = suite.Subject{Name: "LDIF", Kind: ldif.Kind, Begin: newFileWorld, Base: servertest.Base, Scope: exchange, Exchange: true}
	CSV      = suite.Subject{Name: "CSV", Kind: csv.Kind, Begin: newExportWorld, Base: servertest.Base, Scope: exchange, Exchange: true}
	Exec     = suite.Subject{Name: "exec", Kind: exec.Kind, Begin: newConnectorWorld, Base: servertest.Base, Scope: exchange, Exchange: true}
	Stub     = suite.Subject{Name: "Stub", Kind: ldap.ActiveDirectory, Begin: newStubWorld, Base: servertest.Base, Scope: exchange, Exchange: true, Paged: true, Ranged: true}
	Samba    = suite.Subject{Name: "Samba", Kind: ldap.ActiveDirectory, Begin: newSambaWorld, Base: servertest.Base, Scope: exchange, Exchange: true, Lacks: []suite.Class{suite.DynamicList}, Paged: true}
	OpenLDAP = suite.Subject{Name: "OpenLDAP", Kind: ldap.LDAP, Begin: newSlapdWorld, Base: servertest.Base, Paged: true,
		Scope: directory.Scope{PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid"}}
	DS389 = suite.Subject{Name: "389DS", Kind: ldap.LDAP, Begin: newDS389World, Base: servertest.Base, Paged: true,
		Scope: directory.Scope{PrimaryAttribute: "mail", AliasAttributes: []string{"mailAlternateAddress"}, UsernameAttribute: "uid", GUIDAttribute: "nsUniqueId"}}
)

// All are those, and so every kind of source that rollcall reads.
var All = []*suite.Subject{&LDIF, &CSV, &Exec, &Stub, &Samba, &OpenLDAP, &DS389}

// exchange reads what Exchange writes in Active Directory.
var exchange = directory.Scope{PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName"}

// inActiveDirectory writes an object as domain controllers have it.
func inActiveDirectory(o *suite.Object) servertest.Entry {
	e := servertest.NewEntry(o.DN(servertest.Base))
	switch o.Class {
	case suite.Person:
		e.Set("objectClass", "top", "person", "organizationalPerson", "user")
		// PASSWD_NOTREQD, because nobody logs in as them.
		e.Set("userAccountControl", map[bool]string{false: "544", true: "546"}[o.Disabled])
	case suite.List:
		e.Set("objectClass", "top", "group")
		e.Set("groupType", "8")
	case suite.SecurityGroup:
		e.Set("objectClass", "top", "group")
		e.Set("groupType", "-2147483640")
	case suite.Contact:
		e.Set("objectClass", "top", "person", "organizationalPerson", "contact")
		e.Set("targetAddress", "SMTP:elsewhere@partner.example")
	case suite.DynamicList:
		e.Set("objectClass", "top", "msExchBaseClass", "msExchDynamicDistributionList")
	}
	set(&e, "sAMAccountName", o.Username)
	set(&e, "displayName", o.Display)
	set(&e, "mail", o.Primary)
	if o.Hidden {
		e.Set("msExchHideFromAddressLists", "TRUE")
	}
	if o.Recipient != 0 {
		e.Set("msExchRecipientTypeDetails", fmt.Sprint(o.Recipient))
	}
	e.Set("proxyAddresses", proxyAddresses(o)...)
	for _, m := range o.Members {
		e.Set("member", append(slices.Clone(e.Get("member")), m.DN(servertest.Base))...)
	}
	return e
}

// inOpenLDAP writes an object with Exchange's proxyAddresses, and OpenLDAP's
// own way to lock an account.
func inOpenLDAP(o *suite.Object) servertest.Entry {
	e := servertest.NewEntry(o.DN(servertest.Base), "cn", o.Name)
	switch o.Class {
	case suite.Person:
		e.Set("objectClass", "user", "uidObject")
		e.Set("sn", o.Name)
	case suite.List:
		e.Set("objectClass", "group", "uidObject")
	default:
		panic("OpenLDAP holds users and groups")
	}
	if o.Disabled {
		e.Set("pwdAccountLockedTime", "000001010000Z")
	}
	set(&e, "uid", o.Username)
	set(&e, "displayName", o.Display)
	set(&e, "mail", o.Primary)
	e.Set("proxyAddresses", proxyAddresses(o)...)
	return e
}

// in389 writes an object in the mail schema of Netscape, whose addresses have
// no prefix.
func in389(o *suite.Object) servertest.Entry {
	e := servertest.NewEntry(o.DN(servertest.Base), "cn", o.Name)
	switch o.Class {
	case suite.Person:
		e.Set("objectClass", "inetOrgPerson", "mailRecipient")
		e.Set("sn", o.Name)
	case suite.List:
		e.Set("objectClass", "groupOfNames", "mailGroup", "uidObject", "extensibleObject")
	default:
		panic("389 Directory Server holds users and groups")
	}
	if o.Disabled {
		e.Set("nsAccountLock", "true")
	}
	set(&e, "uid", o.Username)
	set(&e, "displayName", o.Display)
	set(&e, "mail", o.Primary)
	e.Set("mailAlternateAddress", o.Aliases...)
	return e
}

// proxyAddresses are an object's, in Exchange's form.
func proxyAddresses(o *suite.Object) []string {
	all := []string{"SMTP:" + o.Primary}
	for _, a := range o.Aliases {
		all = append(all, "smtp:"+a)
	}
	return all
}

// set sets an attribute, unless it has no value.
func set(e *servertest.Entry, name, value string) {
	if value != "" {
		e.Set(name, value)
	}
}

// withGUID adds an objectGUID, which directories make of themselves.
func withGUID(e servertest.Entry, guid string) servertest.Entry {
	e.Set("objectGUID", guid)
	return e
}

func newGUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return string(b)
}

// fileWorld is a file, as somebody exports it.
type fileWorld struct {
	t       *testing.T
	path    string
	text    func([]servertest.Entry) string
	objects []*suite.Object
	guids   map[*suite.Object]string
}

func newFileWorld(t *testing.T, _ []string, objects []*suite.Object) suite.World {
	return newFile(t, "export.ldif", records, objects)
}

func newExportWorld(t *testing.T, _ []string, objects []*suite.Object) suite.World {
	return newFile(t, "export.csv", rows, objects)
}

func newFile(t *testing.T, name string, text func([]servertest.Entry) string, objects []*suite.Object) *fileWorld {
	w := &fileWorld{t: t, path: filepath.Join(t.TempDir(), name), text: text, guids: map[*suite.Object]string{}}
	w.Create(objects...)
	return w
}

func (w *fileWorld) Settings() map[string]any {
	return map[string]any{"path": []string{w.path}}
}

func (w *fileWorld) Create(objects ...*suite.Object) {
	w.t.Helper()
	for _, o := range objects {
		w.guids[o] = newGUID()
	}
	w.objects = append(w.objects, objects...)
	w.write()
}

func (w *fileWorld) Change(*suite.Object) {
	w.t.Helper()
	w.write()
}

func (w *fileWorld) Move(o *suite.Object, name, ou string) {
	w.t.Helper()
	o.Name, o.Unit = name, ou
	w.write()
}

func (w *fileWorld) Delete(o *suite.Object) {
	w.t.Helper()
	w.objects = slices.DeleteFunc(w.objects, func(other *suite.Object) bool { return o == other })
	w.write()
}

func (w *fileWorld) write() {
	w.t.Helper()
	var entries []servertest.Entry
	for _, o := range w.objects {
		entries = append(entries, withGUID(inActiveDirectory(o), w.guids[o]))
	}
	if err := os.WriteFile(w.path, []byte(w.text(entries)), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// records writes objects as LDIF.
func records(entries []servertest.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(Record(e))
	}
	return b.String()
}

// rows writes objects as csvde does.
func rows(entries []servertest.Entry) string {
	header := []string{"DN"}
	for _, e := range entries {
		for _, a := range e.Attributes {
			if !slices.Contains(header, a.Name) {
				header = append(header, a.Name)
			}
		}
	}
	if len(entries) == 0 {
		header = append(header, "mail", "objectGUID")
	}
	var b strings.Builder
	out := encoding.NewWriter(&b)
	out.Write(header)
	for _, e := range entries {
		row := []string{e.DN}
		for _, name := range header[1:] {
			values := slices.Clone(e.Get(name))
			for i, v := range values {
				if name == "objectGUID" {
					values[i] = fmt.Sprintf("X'%x'", v)
				}
			}
			row = append(row, strings.Join(values, ";"))
		}
		out.Write(row)
	}
	out.Flush()
	return b.String()
}

// Record writes an object as a record of LDIF (RFC 2849).
func Record(e servertest.Entry) string {
	var b strings.Builder
	line := func(name, value string) {
		fmt.Fprintf(&b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	line("dn", e.DN)
	for _, a := range e.Attributes {
		for _, v := range a.Values {
			line(a.Name, v)
		}
	}
	return b.String() + "\n"
}

// stubWorld is a scripted domain controller.
type stubWorld struct {
	*servertest.Stub
	guids map[*suite.Object]string
}

func newStubWorld(t *testing.T, _ []string, objects []*suite.Object) suite.World {
	w := &stubWorld{servertest.NewStub(t, servertest.StubOptions{}), map[*suite.Object]string{}}
	w.Create(objects...)
	return w
}

func (w *stubWorld) Settings() map[string]any {
	return login(w.LDAPS, w.CA.File, "svc@corp.example.com", servertest.Password)
}

func (w *stubWorld) Create(objects ...*suite.Object) {
	for _, o := range objects {
		w.guids[o] = newGUID()
		w.Change(o)
	}
}

func (w *stubWorld) Change(o *suite.Object) { w.Put(withGUID(inActiveDirectory(o), w.guids[o])) }

func (w *stubWorld) Move(o *suite.Object, name, ou string) {
	o.Name, o.Unit = name, ou
	w.Change(o)
}

func (w *stubWorld) Delete(o *suite.Object) { w.Stub.Delete(o.DN(servertest.Base)) }

// liveWorld is a real server, changed by who administers it.
type liveWorld struct {
	t        *testing.T
	admin    *goldap.Conn
	write    func(*suite.Object) servertest.Entry
	settings map[string]any

	mu    sync.Mutex
	known map[*suite.Object]servertest.Entry // as they are on the server
}

func newSambaWorld(t *testing.T, units []string, objects []*suite.Object) suite.World {
	d := servertest.NewSamba(t, servertest.SambaOptions{LDIF: asLDIF(units, objects, inActiveDirectory)})
	return newLiveWorld(t, d.Connect(t), inActiveDirectory, objects, login(d.LDAPS, d.CA.File, d.Reader, servertest.Password))
}

func newSlapdWorld(t *testing.T, units []string, objects []*suite.Object) suite.World {
	s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(asLDIF(units, objects, inOpenLDAP)), PasswordPolicy: true})
	return newLiveWorld(t, s.Connect(t), inOpenLDAP, objects, login(s.LDAPS, s.CA.File, s.Reader, servertest.Password))
}

func newDS389World(t *testing.T, units []string, objects []*suite.Object) suite.World {
	x := servertest.NewDS389(t)
	w := newLiveWorld(t, x.Connect(t), in389, nil, login(x.LDAPS, x.CAFile, x.Admin, x.AdminPassword))
	for _, ou := range units {
		w.must(ou, w.add(unitEntry(ou)))
	}
	w.Create(objects...)
	return w
}

func newLiveWorld(t *testing.T, admin *goldap.Conn, write func(*suite.Object) servertest.Entry, objects []*suite.Object, settings map[string]any) *liveWorld {
	w := &liveWorld{t: t, admin: admin, write: write, settings: settings, known: map[*suite.Object]servertest.Entry{}}
	for _, o := range objects {
		w.known[o] = write(o)
	}
	return w
}

// asLDIF writes what a server holds when it starts.
func asLDIF(units []string, objects []*suite.Object, write func(*suite.Object) servertest.Entry) string {
	var b strings.Builder
	for _, ou := range units {
		b.WriteString(Record(unitEntry(ou)))
	}
	for _, o := range objects {
		b.WriteString(Record(write(o)))
	}
	return b.String()
}

func unitEntry(ou string) servertest.Entry {
	return servertest.NewEntry(ou+","+servertest.Base, "objectClass", "organizationalUnit")
}

// login are the settings of who reads a server.
func login(url, ca, name, password string) map[string]any {
	return map[string]any{
		"urls": []string{url}, "ca_file": ca, "bind_dn": name, "bind_password": settings.NewSecret(password),
		"timeout": time.Minute, "page_size": 1000,
	}
}

func (w *liveWorld) Settings() map[string]any { return w.settings }

func (w *liveWorld) must(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *liveWorld) add(e servertest.Entry) error {
	request := goldap.NewAddRequest(e.DN, nil)
	for _, a := range e.Attributes {
		request.Attribute(a.Name, a.Values)
	}
	return w.admin.Add(request)
}

// create adds some objects at a time, because a server that syncs its disk
// after each is slow.
func (w *liveWorld) Create(objects ...*suite.Object) {
	w.t.Helper()
	const lanes = 8
	var all sync.WaitGroup
	failed := make([]error, lanes)
	for lane := range lanes {
		all.Go(func() {
			for i := lane; i < len(objects) && failed[lane] == nil; i += lanes {
				e := w.write(objects[i])
				if err := w.add(e); err != nil {
					failed[lane] = fmt.Errorf("%s: %w", e.DN, err)
				}
				w.mu.Lock()
				w.known[objects[i]] = e
				w.mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		w.must("create", err)
	}
}

func (w *liveWorld) Change(o *suite.Object) {
	w.t.Helper()
	before, after := w.known[o], w.write(o)
	request := goldap.NewModifyRequest(o.DN(servertest.Base), nil)
	for _, a := range after.Attributes {
		if !slices.Equal(before.Get(a.Name), a.Values) {
			request.Replace(a.Name, a.Values)
		}
	}
	for _, a := range before.Attributes {
		if after.Get(a.Name) == nil {
			request.Delete(a.Name, nil)
		}
	}
	w.must(o.DN(servertest.Base), w.admin.Modify(request))
	w.known[o] = after
}

func (w *liveWorld) Move(o *suite.Object, name, ou string) {
	w.t.Helper()
	superior := ""
	if ou != o.Unit {
		superior = ou + "," + servertest.Base
	}
	w.must(o.DN(servertest.Base), w.admin.ModifyDN(goldap.NewModifyDNRequest(o.DN(servertest.Base), "CN="+name, true, superior)))
	o.Name, o.Unit = name, ou
	// The server has written the name into its attributes, too.
	e := w.known[o]
	if e.Get("cn") != nil {
		e.Set("cn", name)
	}
	w.known[o] = e
}

func (w *liveWorld) Delete(o *suite.Object) {
	w.t.Helper()
	w.must(o.DN(servertest.Base), w.admin.Del(goldap.NewDelRequest(o.DN(servertest.Base), nil)))
}
