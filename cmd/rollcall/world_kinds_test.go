package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// world is a directory that a test changes.
type world interface {
	// blocks are the block of directory "corp", whose password is in the file
	// "password", and what a scope of it says beside base_dn.
	blocks() (directory, scope string)
	create(...*object)
	// change makes an object what it says now, in its place.
	change(*object)
	// move gives an object another name or unit.
	move(o *object, name, ou string)
	delete(*object)
}

// object is what directories of every kind hold.
type object struct {
	class                      class
	name, ou                   string // CN=name,ou below Base
	username, display, primary string
	aliases                    []string
	disabled                   bool

	// What Active Directory and Exchange alone know.
	hidden    bool
	recipient int // msExchRecipientTypeDetails
	members   []*object
}

type class int

const (
	person class = iota
	list
	securityGroup
	contact
	dynamicList
)

func (o *object) dn() string {
	return "CN=" + o.name + "," + o.ou + "," + servertest.Base
}

// kind is a kind of source.
type kind struct {
	name string
	// begin makes a world that has these units, such as OU=Sales,OU=Staff, and
	// objects.
	begin func(t *testing.T, units []string, objects []*object) world
	// password is that of who reads it.
	password string
	// exchange says that it holds what Exchange does, paged that it gives
	// pages, ranged that it gives long attributes in ranges.
	exchange, paged, ranged bool
}

// kinds are those that rollcall reads.
var kinds = []kind{
	{name: "LDIF", begin: newFileWorld, password: servertest.Password, exchange: true},
	{name: "Stub", begin: newStubWorld, password: servertest.Password, exchange: true, paged: true, ranged: true},
	{name: "Samba", begin: newSambaWorld, password: servertest.Password, exchange: true, paged: true},
	{name: "OpenLDAP", begin: newSlapdWorld, password: servertest.Password, paged: true},
	{name: "389DS", begin: newDS389World, password: ds389Password, paged: true},
}

const ds389Password = "secret-secret"

// inActiveDirectory writes an object as domain controllers have it.
func inActiveDirectory(o *object) servertest.Entry {
	e := servertest.NewEntry(o.dn())
	switch o.class {
	case person:
		e.Set("objectClass", "top", "person", "organizationalPerson", "user")
		// PASSWD_NOTREQD, because nobody logs in as them.
		e.Set("userAccountControl", map[bool]string{false: "544", true: "546"}[o.disabled])
	case list:
		e.Set("objectClass", "top", "group")
		e.Set("groupType", "8")
	case securityGroup:
		e.Set("objectClass", "top", "group")
		e.Set("groupType", "-2147483640")
	case contact:
		e.Set("objectClass", "top", "person", "organizationalPerson", "contact")
		e.Set("targetAddress", "SMTP:elsewhere@partner.example")
	case dynamicList:
		e.Set("objectClass", "top", "msExchBaseClass", "msExchDynamicDistributionList")
	}
	set(&e, "sAMAccountName", o.username)
	set(&e, "displayName", o.display)
	set(&e, "mail", o.primary)
	if o.hidden {
		e.Set("msExchHideFromAddressLists", "TRUE")
	}
	if o.recipient != 0 {
		e.Set("msExchRecipientTypeDetails", fmt.Sprint(o.recipient))
	}
	e.Set("proxyAddresses", proxyAddresses(o)...)
	for _, m := range o.members {
		e.Set("member", append(slices.Clone(e.Get("member")), m.dn())...)
	}
	return e
}

// inOpenLDAP writes an object with Exchange's proxyAddresses, and OpenLDAP's
// own way to lock an account.
func inOpenLDAP(o *object) servertest.Entry {
	e := servertest.NewEntry(o.dn(), "cn", o.name)
	switch o.class {
	case person:
		e.Set("objectClass", "user", "uidObject")
		e.Set("sn", o.name)
	case list:
		e.Set("objectClass", "group", "uidObject")
	default:
		panic("OpenLDAP holds users and groups")
	}
	if o.disabled {
		e.Set("pwdAccountLockedTime", "000001010000Z")
	}
	set(&e, "uid", o.username)
	set(&e, "displayName", o.display)
	set(&e, "mail", o.primary)
	e.Set("proxyAddresses", proxyAddresses(o)...)
	return e
}

// in389 writes an object in the mail schema of Netscape, whose addresses have
// no prefix.
func in389(o *object) servertest.Entry {
	e := servertest.NewEntry(o.dn(), "cn", o.name)
	switch o.class {
	case person:
		e.Set("objectClass", "inetOrgPerson", "mailRecipient")
		e.Set("sn", o.name)
	case list:
		e.Set("objectClass", "groupOfNames", "mailGroup", "uidObject", "extensibleObject")
	default:
		panic("389 Directory Server holds users and groups")
	}
	if o.disabled {
		e.Set("nsAccountLock", "true")
	}
	set(&e, "uid", o.username)
	set(&e, "displayName", o.display)
	set(&e, "mail", o.primary)
	e.Set("mailAlternateAddress", o.aliases...)
	return e
}

// proxyAddresses are an object's, in Exchange's form.
func proxyAddresses(o *object) []string {
	all := []string{"SMTP:" + o.primary}
	for _, a := range o.aliases {
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

// fileWorld is an LDIF file, as somebody exports it.
type fileWorld struct {
	t       *testing.T
	path    string
	objects []*object
	guids   map[*object]string
}

func newFileWorld(t *testing.T, _ []string, objects []*object) world {
	w := &fileWorld{t: t, path: filepath.Join(t.TempDir(), "export.ldif"), guids: map[*object]string{}}
	w.create(objects...)
	return w
}

func (w *fileWorld) blocks() (directory, scope string) {
	return fmt.Sprintf("kind = \"ldif\"\npath = %q\n", w.path), ""
}

func (w *fileWorld) create(objects ...*object) {
	w.t.Helper()
	for _, o := range objects {
		w.guids[o] = newGUID()
	}
	w.objects = append(w.objects, objects...)
	w.write()
}

func (w *fileWorld) change(*object) {
	w.t.Helper()
	w.write()
}

func (w *fileWorld) move(o *object, name, ou string) {
	w.t.Helper()
	o.name, o.ou = name, ou
	w.write()
}

func (w *fileWorld) delete(o *object) {
	w.t.Helper()
	w.objects = slices.DeleteFunc(w.objects, func(other *object) bool { return o == other })
	w.write()
}

func (w *fileWorld) write() {
	w.t.Helper()
	var b strings.Builder
	for _, o := range w.objects {
		b.WriteString(ldifRecord(withGUID(inActiveDirectory(o), w.guids[o])))
	}
	if err := os.WriteFile(w.path, []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// ldifRecord writes an object as a ldifRecord of RFC 2849.
func ldifRecord(e servertest.Entry) string {
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
	guids map[*object]string
}

func newStubWorld(t *testing.T, _ []string, objects []*object) world {
	w := &stubWorld{servertest.NewStub(t, servertest.StubOptions{}), map[*object]string{}}
	w.create(objects...)
	return w
}

func (w *stubWorld) blocks() (directory, scope string) {
	return serverBlock("active_directory", w.LDAPS, w.CA.File, "svc@corp.example.com"), ""
}

func (w *stubWorld) create(objects ...*object) {
	for _, o := range objects {
		w.guids[o] = newGUID()
		w.change(o)
	}
}

func (w *stubWorld) change(o *object) { w.Put(withGUID(inActiveDirectory(o), w.guids[o])) }

func (w *stubWorld) move(o *object, name, ou string) {
	o.name, o.ou = name, ou
	w.change(o)
}

func (w *stubWorld) delete(o *object) { w.Delete(o.dn()) }

// liveWorld is a real server, changed by who administers it.
type liveWorld struct {
	t                *testing.T
	admin            *goldap.Conn
	write            func(*object) servertest.Entry
	directory, scope string

	mu    sync.Mutex
	known map[*object]servertest.Entry // as they are on the server
}

func newSambaWorld(t *testing.T, units []string, objects []*object) world {
	d := servertest.NewSamba(t, servertest.SambaOptions{LDIF: asLDIF(units, objects, inActiveDirectory)})
	return newLiveWorld(t, d.Connect(t), inActiveDirectory, objects, serverBlock("active_directory", d.LDAPS, d.CA.File, d.Reader), "")
}

func newSlapdWorld(t *testing.T, units []string, objects []*object) world {
	s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(asLDIF(units, objects, inOpenLDAP)), PasswordPolicy: true})
	return newLiveWorld(t, s.Connect(t), inOpenLDAP, objects, serverBlock("ldap", s.LDAPS, s.CA.File, s.Reader), "")
}

func newDS389World(t *testing.T, units []string, objects []*object) world {
	x := servertest.NewDS389(t)
	w := newLiveWorld(t, x.Connect(t), in389, nil, serverBlock("ldap", x.LDAPS, x.CAFile, x.Admin),
		"alias_attributes = [\"mailAlternateAddress\"]\nguid_attribute = \"nsUniqueId\"\n")
	for _, ou := range units {
		w.must(ou, w.add(unitEntry(ou)))
	}
	w.create(objects...)
	return w
}

func newLiveWorld(t *testing.T, admin *goldap.Conn, write func(*object) servertest.Entry, objects []*object, directory, scope string) *liveWorld {
	w := &liveWorld{t: t, admin: admin, write: write, directory: directory, scope: scope, known: map[*object]servertest.Entry{}}
	for _, o := range objects {
		w.known[o] = write(o)
	}
	return w
}

// asLDIF writes what a server holds when it starts.
func asLDIF(units []string, objects []*object, write func(*object) servertest.Entry) string {
	var b strings.Builder
	for _, ou := range units {
		b.WriteString(ldifRecord(unitEntry(ou)))
	}
	for _, o := range objects {
		b.WriteString(ldifRecord(write(o)))
	}
	return b.String()
}

func unitEntry(ou string) servertest.Entry {
	return servertest.NewEntry(ou+","+servertest.Base, "objectClass", "organizationalUnit")
}

// serverBlock is what a directory block says of a server, or of several, whose
// URLs are separated by blanks.
func serverBlock(kind, urls, ca, name string) string {
	return fmt.Sprintf("kind = %q\nurls = split(\" \", %q)\nca_file = %q\nbind_dn = %q\nbind_password = file(\"password\")\n", kind, urls, ca, name)
}

func (w *liveWorld) blocks() (directory, scope string) { return w.directory, w.scope }

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
func (w *liveWorld) create(objects ...*object) {
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

func (w *liveWorld) change(o *object) {
	w.t.Helper()
	before, after := w.known[o], w.write(o)
	request := goldap.NewModifyRequest(o.dn(), nil)
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
	w.must(o.dn(), w.admin.Modify(request))
	w.known[o] = after
}

func (w *liveWorld) move(o *object, name, ou string) {
	w.t.Helper()
	superior := ""
	if ou != o.ou {
		superior = ou + "," + servertest.Base
	}
	w.must(o.dn(), w.admin.ModifyDN(goldap.NewModifyDNRequest(o.dn(), "CN="+name, true, superior)))
	o.name, o.ou = name, ou
	// The server has written the name into its attributes, too.
	e := w.known[o]
	if e.Get("cn") != nil {
		e.Set("cn", name)
	}
	w.known[o] = e
}

func (w *liveWorld) delete(o *object) {
	w.t.Helper()
	w.must(o.dn(), w.admin.Del(goldap.NewDelRequest(o.dn(), nil)))
}
